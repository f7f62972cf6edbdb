-- What tells a replaced primary from another server at its address, and itself at another address.
ALTER TABLE demoted_instance ADD COLUMN server_id bigint NULL;
ALTER TABLE demoted_instance ADD COLUMN executed text NOT NULL DEFAULT '';
