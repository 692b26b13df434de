//! Every kind of page in a real browser: a phone's and a laptop's width, light and dark, with and without script.
//!
//! What is looked for: errors and exceptions, anything that is loaded from elsewhere, a page wider than its window, text that
//! is cut off at the window's edge or can't be read on its ground, charts that show nothing under the pointer, and content that
//! only a script brings.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::protocol::cdp::{Emulation, Page};
use headless_chrome::{Browser, LaunchOptions, Tab};
use serde_json::Value;

use crate::preview::pages;

const WIDTHS: [u32; 2] = [390, 1_440];
const SCHEMES: [&str; 2] = ["light", "dark"];
const HEIGHT: u32 = 900;
/// Far longer than a page takes, also while other tests keep the machine busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// By how much a page is wider than what its window shows.
const TOO_WIDE: &str = "document.documentElement.scrollWidth - document.documentElement.clientWidth";

/// What came from anywhere but the page's own file.
const LOADED: &str = "performance.getEntriesByType('resource').map((entry) => entry.name)";

/// Text that ends outside of the window, and can't be scrolled to.
const CUT_OFF: &str = "
    [...document.querySelectorAll('svg text, h1, h2, h3, p, td, th, dt, dd, li, summary, button')]
        .filter((node) => node.getClientRects().length && !node.closest('.scroll, pre, .story'))
        .filter((node) => {
            const box = node.getBoundingClientRect();
            return box.width > 0 && (box.left < -0.5 || box.right > innerWidth + 0.5);
        })
        .map((node) => node.textContent.trim().slice(0, 60))";

/// Text with less contrast to its ground than 4.5 to 1, as WCAG 2 reckons it for normal sizes.
const PALE: &str = "
    (() => {
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [1, 1];
        const pen = canvas.getContext('2d', { willReadFrequently: true });
        const known = new Map();
        const rgb = (colour) => {
            if (known.has(colour)) return known.get(colour);
            pen.clearRect(0, 0, 1, 1);
            pen.fillStyle = colour;
            pen.fillRect(0, 0, 1, 1);
            known.set(colour, [...pen.getImageData(0, 0, 1, 1).data]);
            return known.get(colour);
        };
        const light = ([r, g, b]) => {
            const part = (value) => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
            return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
        };
        const ground = (node) => {
            for (let at = node; at; at = at.parentElement) {
                const colour = rgb(getComputedStyle(at).backgroundColor);
                if (colour[3] === 255) return colour;
            }
            return [255, 255, 255, 255];
        };
        const found = new Set();
        for (const node of document.querySelectorAll('h1, h2, h3, p, td, th, dt, dd, li, span, a, summary, button, svg text')) {
            if (!node.getClientRects().length || !node.textContent.trim() || node.closest('body.invalid .numbers')) continue;
            const style = getComputedStyle(node);
            const ink = light(rgb(node.closest('svg') ? style.fill : style.color));
            const paper = light(ground(node));
            const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
            if (contrast < 4.5) found.add(`${contrast.toFixed(1)} ${node.tagName}.${node.className.baseVal ?? node.className}: ${node.textContent.trim().slice(0, 40)}`);
        }
        return [...found].slice(0, 8);
    })()";

/// A tab that remembers what went wrong in it.
struct Looking {
    tab: Arc<Tab>,
    errors: Arc<Mutex<Vec<String>>>,
    directory: PathBuf,
    pictures: Option<PathBuf>,
    /// Width, scheme and whether scripts run.
    set: RefCell<Option<(u32, String, bool)>>,
}

impl Looking {
    fn new(browser: &Browser, directory: &Path) -> Self {
        let tab = browser.new_tab().expect("the browser opens a tab");
        tab.set_default_timeout(PATIENCE);
        tab.enable_log().expect("the tab can log");
        tab.enable_runtime().expect("the tab can say what its scripts do");
        let errors = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&errors);
        let note = move |event: &Event| {
            let text = match event {
                Event::RuntimeExceptionThrown(thrown) => format!("{:?}", thrown.params.exception_details),
                Event::RuntimeConsoleAPICalled(called) => format!("{:?}", called.params.args),
                Event::LogEntryAdded(added) => format!("{:?}: {}", added.params.entry.level, added.params.entry.text),
                _ => return,
            };
            noted.lock().expect("nobody panics with it").push(text);
        };
        tab.add_event_listener(Arc::new(note))
            .expect("the tab can be listened to");
        Self {
            tab,
            errors,
            directory: directory.to_owned(),
            pictures: std::env::var_os("CROSSOVER_PREVIEW").map(PathBuf::from),
            set: RefCell::new(None),
        }
    }

    fn open(&self, name: &str, width: u32, scheme: &str, script: bool) {
        let wanted = (width, scheme.to_owned(), script);
        if self.set.replace(Some(wanted.clone())) != Some(wanted) {
            self.set(width, scheme, script);
        }
        let url = format!("file://{}", self.directory.join(format!("{name}.html")).display());
        let page = Page::Navigate {
            url: url.clone(),
            referrer: None,
            transition_Type: None,
            frame_id: None,
            referrer_policy: None,
        };
        let opened = self.tab.call_method(page);
        opened.unwrap_or_else(|error| panic!("{name} does not open: {error}"));
        // Not the crate's own wait: that is for a quiet network, a second or two after a page that loads nothing.
        let begun = Instant::now();
        while self.ask("document.readyState === 'complete' && location.href") != url.as_str() {
            assert!(begun.elapsed() < PATIENCE, "{name} does not open");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn set(&self, width: u32, scheme: &str, script: bool) {
        self.size(width, HEIGHT);
        let preferred = Emulation::MediaFeature {
            name: "prefers-color-scheme".to_owned(),
            value: scheme.to_owned(),
        };
        let media = Emulation::SetEmulatedMedia {
            media: None,
            features: Some(vec![preferred]),
        };
        self.tab.call_method(media).expect("the scheme can be set");
        let scripts = Emulation::SetScriptExecutionDisabled { value: !script };
        self.tab.call_method(scripts).expect("scripts can be turned on and off");
    }

    fn size(&self, width: u32, height: u32) {
        let size = Emulation::SetDeviceMetricsOverride {
            width,
            height,
            device_scale_factor: 1.0,
            mobile: false,
            scale: None,
            screen_width: None,
            screen_height: None,
            position_x: None,
            position_y: None,
            dont_set_visible_size: None,
            screen_orientation: None,
            viewport: None,
            display_feature: None,
            device_posture: None,
        };
        self.tab.call_method(size).expect("the window has a size");
    }

    /// The value of an expression in the page.
    fn ask(&self, expression: &str) -> Value {
        let text = self.tab.evaluate(&format!("JSON.stringify({expression})"), false);
        let text = text.unwrap_or_else(|error| panic!("{expression}: {error}"));
        let text = text.value.unwrap_or_else(|| panic!("{expression} has no value"));
        serde_json::from_str(text.as_str().expect("JSON is text")).expect("JSON is JSON")
    }

    fn picture(&self, name: &str) {
        let Some(pictures) = &self.pictures else { return };
        let (width, height) = (
            self.ask("innerWidth"),
            self.ask("document.documentElement.scrollHeight"),
        );
        let clip = Page::Viewport {
            x: 0.0,
            y: 0.0,
            width: width.as_f64().expect("a width"),
            height: height.as_f64().expect("a height"),
            scale: 1.0,
        };
        let whole = height
            .as_u64()
            .and_then(|height| u32::try_from(height).ok())
            .unwrap_or(HEIGHT);
        self.size(
            width
                .as_u64()
                .and_then(|width| u32::try_from(width).ok())
                .unwrap_or(WIDTHS[0]),
            whole,
        );
        let format = Page::CaptureScreenshotFormatOption::Png;
        let picture = self.tab.capture_screenshot(format, None, Some(clip), true);
        let picture = picture.expect("a picture can be taken");
        std::fs::write(pictures.join(format!("{name}.png")), picture).expect("the picture can be written");
        self.set.take();
    }

    /// All that is wrong with the page that is open.
    fn findings(&self) -> Vec<String> {
        let checks = [
            ("wider than its window (px)", TOO_WIDE),
            ("cut off", CUT_OFF),
            ("pale", PALE),
            ("loaded", LOADED),
        ];
        // In one call: each takes 40 ms on its way, whatever it asks.
        let asked = checks.map(|(_, expression)| format!("({expression})")).join(", ");
        let answers = self.ask(&format!("[{asked}]"));
        let is_wrong = |found: &Value| found.as_array().map_or(*found != 0, |found| !found.is_empty());
        let found = checks.iter().zip(answers.as_array().into_iter().flatten());
        let wrong = found.filter(|(_, found)| is_wrong(found));
        let wrong = wrong.map(|((what, _), found)| format!("{what}: {found}"));
        wrong.chain(self.errors()).collect()
    }

    fn errors(&self) -> Vec<String> {
        std::mem::take(&mut *self.errors.lock().expect("nobody panics with it"))
    }
}

fn with_pages(pages: Vec<(&str, String)>, see: impl FnOnce(&Looking, &[&str])) {
    let directory = tempfile::tempdir().expect("there is room for pages");
    for (name, page) in &pages {
        std::fs::write(directory.path().join(format!("{name}.html")), page).expect("the page can be written");
    }
    let options = LaunchOptions::default_builder()
        .path(option_env!("CROSSOVER_TEST_BROWSER").map(PathBuf::from))
        // Chromium refuses to run as root in its sandbox, and the pages are our own.
        .sandbox(false)
        .idle_browser_timeout(PATIENCE)
        .build()
        .expect("the options are valid");
    let browser = Browser::new(options).expect("the browser starts");
    let names: Vec<&str> = pages.iter().map(|(name, _)| *name).collect();
    see(&Looking::new(&browser, directory.path()), &names);
}

#[test]
#[cfg_attr(not(has_browser), ignore = "this machine has no Chromium on its PATH")]
fn every_page_fits_its_window_can_be_read_and_raises_no_error() {
    with_pages(pages(), |looking, names| {
        let mut wrong = Vec::new();
        for name in names {
            let mut grounds = Vec::new();
            for (width, scheme) in WIDTHS
                .into_iter()
                .flat_map(|width| SCHEMES.map(|scheme| (width, scheme)))
            {
                looking.open(name, width, scheme, true);
                let at = format!("{name} at {width} px, {scheme}");
                wrong.extend(looking.findings().into_iter().map(|finding| format!("{at}: {finding}")));
                grounds.push(looking.ask("getComputedStyle(document.body).backgroundColor"));
                looking.picture(&format!("{name}-{width}-{scheme}"));
            }
            if grounds[0] == grounds[1] {
                wrong.push(format!("{name}: light and dark are the same"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// One of each thing that is looked for.
const FAULTY: &str = "<!DOCTYPE html><title>x</title><body style='background: white; color: black'>
    <p style='color: #ccc'>nobody reads this</p><p style='width: 3000px'>too wide</p>
    <img src='missing.png'><script>console.error('loud'); nothing();</script></body>";

#[test]
#[cfg_attr(not(has_browser), ignore = "this machine has no Chromium on its PATH")]
fn what_is_looked_for_is_found() {
    with_pages(vec![("faulty", FAULTY.to_owned())], |looking, _| {
        looking.open("faulty", 390, "light", true);
        let found = looking.findings().join("\n");
        for word in [
            "wider than",
            "too wide",
            "nobody reads",
            "ERR_FILE_NOT_FOUND",
            "loud",
            "nothing is not defined",
        ] {
            assert!(found.contains(word), "no {word:?} in {found}");
        }
    });
}

#[test]
#[cfg_attr(not(has_browser), ignore = "this machine has no Chromium on its PATH")]
fn the_pointer_shows_the_values_of_a_second_on_all_charts_over_time() {
    let mut with_charts = Vec::new();
    with_pages(pages(), |looking, names| {
        for (name, width) in names.iter().flat_map(|name| WIDTHS.map(|width| (name, width))) {
            looking.open(name, width, "light", true);
            let charts = looking
                .ask("document.querySelectorAll('.plot[data-chart]').length")
                .as_u64();
            if charts == Some(0) {
                continue;
            }
            with_charts.push((*name).to_owned());
            // Where the pointer is, in the middle of the first chart: as a hand would bring it there.
            let middle = looking.ask(
                "(() => {
                    const plot = document.querySelector('.plot[data-chart]');
                    plot.scrollIntoView({ block: 'center' });
                    const box = plot.getBoundingClientRect();
                    return { x: box.left + box.width / 2, y: box.top + box.height / 2 };
                })()",
            );
            let at = |axis: &str| middle[axis].as_f64().expect("a place");
            let point = headless_chrome::browser::tab::point::Point { x: at("x"), y: at("y") };
            looking.tab.move_mouse_to_point(point).expect("the pointer moves");
            let tips = looking.ask("[...document.querySelectorAll('.tip')].map((tip) => tip.innerText)");
            let tips = tips.as_array().cloned().unwrap_or_default();
            assert_eq!(Some(tips.len() as u64), charts, "{name} at {width} px: a tip a chart");
            for tip in &tips {
                let text = tip.as_str().unwrap_or_default();
                assert!(
                    text.contains(" s") && text.lines().count() > 1,
                    "{name} at {width} px: {text:?}"
                );
            }
            let any = tips.iter().filter_map(Value::as_str).any(|tip| {
                tip.lines()
                    .skip(1)
                    .any(|line| line.contains(|c: char| c.is_ascii_digit()))
            });
            assert!(any, "{name} at {width} px: no number in {tips:?}");
            assert_eq!(looking.ask(TOO_WIDE), 0, "{name}: a tip makes the page wider");
            looking.picture(&format!("{name}-{width}-hover"));
            assert_eq!(looking.errors(), [] as [String; 0], "{name} at {width} px");
        }
    });
    for name in ["held", "event-driven", "compare", "diff", "assess"] {
        assert!(
            with_charts.iter().any(|other| other == name),
            "{name} has no chart over time"
        );
    }
}

#[test]
#[cfg_attr(not(has_browser), ignore = "this machine has no Chromium on its PATH")]
fn without_a_script_nothing_but_the_button_is_missing() {
    const SEEN: &str = "({
        text: document.querySelector('main').innerText,
        charts: [...document.querySelectorAll('svg')].filter((svg) => svg.getClientRects().length).length,
        button: document.querySelector('#theme').getClientRects().length,
    })";
    with_pages(pages(), |looking, names| {
        for name in names {
            looking.open(name, 1_440, "light", true);
            let with = looking.ask(SEEN);
            looking.open(name, 1_440, "light", false);
            let without = looking.ask(SEEN);
            assert_eq!(with["button"], 1, "{name}");
            assert_eq!(without["button"], 0, "{name}: a button that does nothing");
            assert_eq!(with["text"], without["text"], "{name}");
            assert_eq!(with["charts"], without["charts"], "{name}");
            assert_eq!(looking.errors(), [] as [String; 0], "{name}");
        }
    });
}
