//! What can be measured on a TCP-shaped stream from one point. Measures; never
//! decides that something is wrong (that is `detect`).

pub mod half_stream;
pub mod holes;
pub mod seq;
