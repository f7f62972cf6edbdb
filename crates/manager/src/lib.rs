//! When: probing, cycles, executing plans, hooks.
