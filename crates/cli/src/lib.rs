//! Commands of the orchestrator binary and of orchestrator-client.
