-- What was placed and not fetched yet is counted by partner and time.
CREATE INDEX results_fhir_placed_waits ON results_fhir_placed (partner, placed_at) WHERE picked_at IS NULL;
