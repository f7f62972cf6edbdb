-- What tells a replaced primary from another server at its address, and itself at another address.
ALTER TABLE demoted_instance ADD COLUMN server_id bigint NULL;
ALTER TABLE demoted_instance ADD COLUMN executed text NOT NULL DEFAULT '';
-- Nobody took its place: the recovery was given up, and it was not open again since for long enough.
ALTER TABLE demoted_instance ADD COLUMN left_closed integer NOT NULL DEFAULT 0;
