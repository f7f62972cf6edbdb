//! Bytes of any kind on the port.
