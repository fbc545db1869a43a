//! Captures built by code, read through the public interface.
#![allow(clippy::unwrap_used)] // A test that cannot set itself up has failed.

mod build;
mod compression;
mod damage;
mod formats;
mod hostile;
mod merge;
mod properties;
mod read;
mod sources;
