//! A diagnosis or a request in, a decision with a plan out.
