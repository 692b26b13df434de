//! Claims of the seed, one file each: runs → supported, refuted or not settled, with the number.

pub mod c04;
