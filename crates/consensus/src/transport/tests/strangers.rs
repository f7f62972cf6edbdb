//! Who does not belong here.
