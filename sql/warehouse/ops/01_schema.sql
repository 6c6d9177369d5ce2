-- The ledger's schema.
CREATE SCHEMA IF NOT EXISTS ops
