//! Yes, no, or not known: the three answers that a clause has, and how they combine.

use serde::{Deserialize, Serialize};

/// Whether something holds. What was not measured is neither yes nor no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It does not hold.
    No,
    /// The evidence does not tell.
    Unknown,
    /// It holds.
    Yes,
}

impl Answer {
    /// All three.
    pub const ALL: [Self; 3] = [Self::No, Self::Unknown, Self::Yes];

    /// Both hold: no if either is no, whatever the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// At least one holds: yes if either is yes, whatever the other.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.max(other)
    }

    /// A fact that is known.
    #[must_use]
    pub fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl std::ops::Not for Answer {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
            Self::Yes => Self::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Answer::{No, Unknown, Yes};

    #[test]
    fn what_is_not_known_stays_so_unless_the_other_decides() {
        assert_eq!([Yes.and(Unknown), No.and(Unknown)], [Unknown, No]);
        assert_eq!([Yes.or(Unknown), No.or(Unknown)], [Yes, Unknown]);
        assert_eq!([!Yes, !Unknown, !No], [No, Unknown, Yes]);
    }
}
