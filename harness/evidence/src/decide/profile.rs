//! The team's profile: what it needs now and later, and what it knows of Kafka. TOML, validated with the place of what is wrong.
//!
//! Everything may be left out: what the team does not say is unknown to the verdict, not assumed.

use serde::{Deserialize, Serialize};

use super::answer::Answer;
use crate::load::LoadError;

/// The file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// The team's name, for the page.
    pub team: String,
    /// Jobs per second at the present peak.
    pub peak_jobs_per_s: Option<f64>,
    /// How the peak grows.
    pub growth: Option<Growth>,
    /// What a job may wait.
    pub latency: Option<LatencyObjective>,
    /// What the team knows of Kafka.
    pub kafka: Option<KafkaSkill>,
}

/// Growth of the peak per month, in percent: a range, since nobody knows it better.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// At least.
    pub percent_per_month_low: f64,
    /// At most.
    pub percent_per_month_high: f64,
}

/// What a job may wait from its intended start to its handler's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatencyObjective {
    /// 99 of 100 jobs (ms).
    pub dispatch_p99_ms: f64,
    /// Every second job (ms).
    #[serde(default)]
    pub dispatch_p50_ms: Option<f64>,
}

/// What the team knows of Kafka.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSkill {
    /// None, a plan, or experience.
    pub expertise: Expertise,
    /// The plan; only with `plan`.
    #[serde(default)]
    pub plan: Option<Plan>,
}

/// How much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expertise {
    /// Nobody runs Kafka, and nobody plans to.
    None,
    /// Nobody does yet, but there is a plan.
    Plan,
    /// The team runs Kafka in production.
    Experienced,
}

/// How the team means to get there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Who answers for it.
    pub owner: String,
    /// When it is done: `2027-03-01`.
    pub date: String,
    /// How the team learns it.
    pub training: String,
    /// Who is called at night.
    pub on_call: String,
}

impl Plan {
    /// What keeps it from being credible, in words; `today` is `YYYY-MM-DD`.
    #[must_use]
    pub fn gaps(&self, today: &str) -> Vec<String> {
        let named = [
            ("owner", &self.owner),
            ("date", &self.date),
            ("training", &self.training),
            ("on-call", &self.on_call),
        ];
        let missing = named.iter().filter(|(_, value)| value.trim().is_empty());
        let mut gaps: Vec<String> = missing.map(|(name, _)| format!("it names no {name}")).collect();
        // ISO dates sort as text.
        if !self.date.trim().is_empty() && self.date.as_str() < today {
            gaps.push(format!("its date, {}, is past", self.date));
        }
        gaps
    }
}

impl Profile {
    /// Condition 2, and why; `today` is `YYYY-MM-DD`.
    #[must_use]
    pub fn expertise(&self, today: &str) -> (Answer, String) {
        let Some(skill) = &self.kafka else {
            return (Answer::Unknown, "the profile does not say".to_owned());
        };
        match (skill.expertise, &skill.plan) {
            (Expertise::Experienced, _) => (Answer::Yes, "the team runs Kafka in production".to_owned()),
            (Expertise::None, _) => (
                Answer::No,
                "nobody in the team knows Kafka, and there is no plan".to_owned(),
            ),
            (Expertise::Plan, None) => (Answer::No, "a plan is announced, and not given".to_owned()),
            (Expertise::Plan, Some(plan)) => match plan.gaps(today).as_slice() {
                [] => (
                    Answer::Yes,
                    format!("a credible plan: {} answers for it, done by {}", plan.owner, plan.date),
                ),
                gaps => (Answer::No, format!("the plan is not credible: {}", gaps.join(", "))),
            },
        }
    }

    /// Refuses what can't be, and answers that contradict each other.
    ///
    /// # Errors
    /// The place, what was found, what is allowed.
    pub fn validate(&self) -> Result<(), LoadError> {
        positive("peak_jobs_per_s", self.peak_jobs_per_s)?;
        if let Some(growth) = self.growth {
            validate_growth(growth)?;
        }
        if let Some(latency) = self.latency {
            let (p99, p50) = (latency.dispatch_p99_ms, latency.dispatch_p50_ms);
            positive("latency.dispatch_p99_ms", Some(p99))?;
            positive("latency.dispatch_p50_ms", p50)?;
            if p50.is_some_and(|p50| p50 > p99) {
                return refuse(
                    "latency.dispatch_p50_ms",
                    "it is above dispatch_p99_ms, and a median never is; lower it or leave it out",
                );
            }
        }
        self.kafka.as_ref().map_or(Ok(()), validate_skill)
    }
}

fn validate_growth(growth: Growth) -> Result<(), LoadError> {
    let (low, high) = (growth.percent_per_month_low, growth.percent_per_month_high);
    for (place, found) in [("percent_per_month_low", low), ("percent_per_month_high", high)] {
        if !(-50.0..=100.0).contains(&found) {
            return refuse(
                &format!("growth.{place}"),
                &format!("found {found}; allowed is -50 to 100 (percent a month)"),
            );
        }
    }
    if low > high {
        return refuse(
            "growth.percent_per_month_low",
            &format!("found {low}, above percent_per_month_high = {high}; exchange them"),
        );
    }
    Ok(())
}

fn validate_skill(skill: &KafkaSkill) -> Result<(), LoadError> {
    match (skill.expertise, &skill.plan) {
        (Expertise::None, Some(_)) => refuse(
            "kafka.plan",
            "it contradicts kafka.expertise = \"none\"; say expertise = \"plan\", or take the plan out",
        ),
        (Expertise::Experienced, Some(_)) => refuse(
            "kafka.plan",
            "it contradicts kafka.expertise = \"experienced\": who runs Kafka needs no plan to learn it; say expertise = \
             \"plan\", or take the plan out",
        ),
        (Expertise::Plan, None) => refuse(
            "kafka.expertise",
            "found \"plan\", and there is no [kafka.plan]; add it with owner, date, training and on_call, or say expertise = \
             \"none\"",
        ),
        (Expertise::Plan, Some(plan)) if !plan.date.is_empty() && !is_date(&plan.date) => refuse(
            "kafka.plan.date",
            &format!("found {:?}; allowed is a day as in \"2027-03-01\"", plan.date),
        ),
        _ => Ok(()),
    }
}

fn positive(place: &str, value: Option<f64>) -> Result<(), LoadError> {
    match value {
        Some(found) if !(found > 0.0 && found <= 1e9) => refuse(
            place,
            &format!("found {found}; allowed is more than 0, at most 1000000000"),
        ),
        _ => Ok(()),
    }
}

fn refuse(place: &str, problem: &str) -> Result<(), LoadError> {
    Err(LoadError::new(place, problem))
}

/// `YYYY-MM-DD` of a day that there is.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return false;
    };
    if [year.len(), month.len(), day.len()] != [4, 2, 2] {
        return false;
    }
    let (Ok(year), Ok(month), Ok(day)) = (year.parse::<u32>(), month.parse::<u32>(), day.parse::<u32>()) else {
        return false;
    };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
team = "orders"
peak_jobs_per_s = 400
[growth]
percent_per_month_low = 2
percent_per_month_high = 6
[latency]
dispatch_p99_ms = 800
[kafka]
expertise = "plan"
[kafka.plan]
owner = "Ada"
date = "2027-03-01"
training = "two people, a course in January"
on_call = "platform"
"#;

    fn refusal(text: &str) -> LoadError {
        toml::from_str::<Profile>(text).unwrap().validate().unwrap_err()
    }

    #[test]
    fn a_plan_is_credible_until_its_date_is_past_or_a_name_is_missing() {
        let profile: Profile = toml::from_str(GOOD).unwrap();
        profile.validate().unwrap();
        assert_eq!(profile.expertise("2026-11-22").0, Answer::Yes);
        assert_eq!(profile.expertise("2027-03-01").0, Answer::Yes);
        let (answer, why) = profile.expertise("2027-03-02");
        assert_eq!(
            (answer, why.contains("2027-03-01, is past")),
            (Answer::No, true),
            "{why}"
        );
        let text = GOOD
            .replace("on_call = \"platform\"", "")
            .replace("owner = \"Ada\"", "owner = \" \"");
        let (answer, why) = toml::from_str::<Profile>(&text).unwrap().expertise("2026-11-22");
        assert_eq!(answer, Answer::No);
        assert_eq!(why, "the plan is not credible: it names no owner, it names no on-call");
    }

    #[test]
    fn nothing_said_is_unknown_and_not_no() {
        let profile = Profile::default();
        profile.validate().unwrap();
        assert_eq!(profile.expertise("2026-11-22").0, Answer::Unknown);
    }

    #[test]
    fn contradictory_answers_are_refused_with_their_place() {
        let error = refusal(&GOOD.replace("\"plan\"", "\"none\""));
        assert_eq!(error.place, "kafka.plan");
        assert!(
            error.problem.contains("contradicts kafka.expertise = \"none\""),
            "{}",
            error.problem
        );
        let error = refusal(&GOOD.replace("\"plan\"", "\"experienced\""));
        assert!(error.problem.contains("contradicts"), "{}", error.problem);
        let error = refusal("[kafka]\nexpertise = \"plan\"");
        assert!(error.problem.contains("there is no [kafka.plan]"), "{}", error.problem);
        let error = refusal(&GOOD.replace("_low = 2", "_low = 9"));
        assert_eq!(
            error.problem,
            "found 9, above percent_per_month_high = 6; exchange them"
        );
        let error = refusal(&GOOD.replace("p99_ms = 800", "p99_ms = 800\ndispatch_p50_ms = 900"));
        assert_eq!(error.place, "latency.dispatch_p50_ms");
    }

    #[test]
    fn numbers_and_days_that_can_not_be_are_refused() {
        assert_eq!(refusal(&GOOD.replace("= 400", "= 0")).place, "peak_jobs_per_s");
        assert_eq!(
            refusal(&GOOD.replace("_high = 6", "_high = 600")).place,
            "growth.percent_per_month_high"
        );
        for day in ["2027-02-29", "2027-13-01", "1.3.2027", "soon"] {
            assert_eq!(refusal(&GOOD.replace("2027-03-01", day)).place, "kafka.plan.date");
        }
        assert!(is_date("2028-02-29"));
    }
}
