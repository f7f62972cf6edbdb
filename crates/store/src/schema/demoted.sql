-- What tells a replaced primary that has no identity from another server at its address.
ALTER TABLE demoted_instance ADD COLUMN server_id bigint NULL;
-- Nobody took its place: the recovery was given up, and it was not open again since for long enough.
ALTER TABLE demoted_instance ADD COLUMN left_closed integer NOT NULL DEFAULT 0;
