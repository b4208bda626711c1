//! Simulated members.
