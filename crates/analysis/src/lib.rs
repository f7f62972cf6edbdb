//! Snapshot and policy in, diagnoses out.
