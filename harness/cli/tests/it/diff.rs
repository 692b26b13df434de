//! `diff`: finished runs held against each other, and what can't be.

use std::fs;

use crate::support::{Place, copy, read_json, said, tiny};

#[test]
fn a_run_against_its_own_copy_differs_in_nothing_and_says_so_in_three_forms() {
    let place = Place::new();
    let (a, b) = (place.path("a"), place.path("b"));
    copy(&tiny().directory, &a);
    copy(&tiny().directory, &b);
    let said = said(
        place
            .crossover(["diff"])
            .args([&a, &b])
            .arg("--output")
            .arg(place.path("out")),
    );
    assert_eq!(said.code, Some(0), "{}", said.errors);
    let page = fs::read_dir(place.path("out")).unwrap().next().unwrap().unwrap().path();
    let diff = read_json(&page.join("diff.json"));
    assert_eq!(
        diff["settings"].as_array().map(Vec::len),
        Some(0),
        "{}",
        diff["settings"]
    );
    let figures = || {
        diff["groups"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|group| group["figures"].as_array().unwrap())
    };
    assert!(figures().any(|figure| figure["name"] == "dispatch p50"));
    for change in figures()
        .map(|figure| &figure["changes"][1])
        .filter(|change| !change.is_null())
    {
        assert_eq!(change["ratio"], 1.0);
    }
    let html = fs::read_to_string(page.join("report.html")).unwrap();
    assert!(
        html.contains("href=\"../../a/report.html\""),
        "the runs are a click away"
    );
    assert!(
        fs::read_to_string(page.join("report.md"))
            .unwrap()
            .contains("nothing was set differently")
    );
}

#[test]
fn what_is_no_run_or_not_two_is_refused() {
    let place = Place::new();
    let a = place.path("a");
    copy(&tiny().directory, &a);
    let empty = place.path("empty");
    fs::create_dir(&empty).unwrap();
    let cases = [
        (vec![&a], "found 1 run; a diff takes 2 to 8"),
        (vec![&a, &a], "is named twice"),
        (vec![&a, &empty], "no run "),
        (vec![&a; 9], "found 9 runs"),
    ];
    for (runs, word) in cases {
        let said = said(place.crossover(["diff"]).args(runs));
        assert_eq!(said.code, Some(2), "{}\n{}", said.output, said.errors);
        assert!(said.errors.contains(word), "no {word:?} in {}", said.errors);
    }
}
