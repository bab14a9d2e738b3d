//! The store over a real file: what is put in comes out, also after a restart; and what the file is like.

#![allow(clippy::unwrap_used)]

mod file;
mod people;
mod records;
mod rig;
mod sessions;
mod usage;
