// Package poct1ahl7 maps what point-of-care devices observe in POCT1-A to HL7
// v2.5.1: each service (SVC) of an OBS message to ORU^R30 where it names no order,
// to ORU^R32 where it does. Quality control, calibration and proficiency services
// are told apart, so that they never leave by a patient's route.
//
// Guarantees are those of astmhl7: nothing is computed, interpreted or guessed;
// what the model's file does not know is kept as the device wrote it and named in
// the notes; elements with content that are not carried are named, never shown.
package poct1ahl7
