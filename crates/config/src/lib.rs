//! Orchestrator's configuration file as typed, validated values.
