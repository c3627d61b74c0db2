-- By message: what of it was placed since a practice told that it did not get it.
CREATE INDEX partners_portal_items_message ON partners_portal_items (message);
