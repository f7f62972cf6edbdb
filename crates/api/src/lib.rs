//! HTTP routes, authentication, compatibility with Orchestrator's API.
