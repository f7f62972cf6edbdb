//! Real MySQL and MariaDB fleets, faults, benchmarks and the demo.
