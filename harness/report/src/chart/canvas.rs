//! The sheet that all charts are drawn on: plotters' SVG backend, with colours that the page decides.
//!
//! plotters writes fixed RGB colours; the page has a light and a dark theme. So every [`Ink`] is drawn in a colour that
//! stands for it alone, and [`Canvas::finish`] puts the ink's CSS variable in its place. Coordinates are tenths of a
//! CSS pixel, because the backend has whole numbers only. Without the `ttf` feature plotters measures no text; nothing here
//! needs it to, since the anchors are resolved by the browser and widths are estimated by [`text_width`].

use plotters::backend::DrawingBackend;
use plotters::backend::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontFamily, IntoTextStyle, RGBAColor, ShapeStyle, TextStyle};

use super::ink::Ink;

/// Backend units per CSS pixel.
const UNITS: f64 = 10.0;
/// plotters divides a font's size by this on its way to SVG.
const FONT_RATIO: f64 = 1.24;

/// Where a text is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The point is the text's left end.
    Start,
    /// The point is its middle.
    Middle,
    /// The point is its right end.
    End,
}

/// A sheet of `width` × `height` CSS pixels; the origin is at the top left.
pub struct Canvas {
    width: f64,
    height: f64,
    marks: Vec<Mark>,
    inks: Vec<Ink>,
}

enum Mark {
    Path(Vec<(i32, i32)>, ShapeStyle),
    Area(Vec<(i32, i32)>, ShapeStyle),
    Rect((i32, i32), (i32, i32), ShapeStyle),
    Dot((i32, i32), u32, ShapeStyle),
    Text((i32, i32), String, f64, Anchor, RGBAColor),
}

impl Canvas {
    /// An empty sheet.
    pub fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            marks: Vec::new(),
            inks: Vec::new(),
        }
    }

    /// A line through points; fewer than two points draw nothing.
    pub fn path(&mut self, points: &[(f64, f64)], ink: Ink, stroke: f64) {
        if points.len() > 1 {
            let style = self.style(ink, 1.0, stroke);
            self.marks.push(Mark::Path(points.iter().map(unit).collect(), style));
        }
    }

    /// A filled shape.
    pub fn area(&mut self, points: &[(f64, f64)], ink: Ink, alpha: f64) {
        if points.len() > 2 {
            let style = self.style(ink, alpha, 0.0);
            self.marks.push(Mark::Area(points.iter().map(unit).collect(), style));
        }
    }

    /// A filled rectangle between two corners.
    pub fn rect(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink, alpha: f64) {
        let style = self.style(ink, alpha, 0.0);
        self.marks.push(Mark::Rect(unit(&from), unit(&to), style));
    }

    /// A filled dot.
    pub fn dot(&mut self, at: (f64, f64), radius: f64, ink: Ink) {
        let style = self.style(ink, 1.0, 0.0);
        self.marks
            .push(Mark::Dot(unit(&at), round(radius * UNITS).unsigned_abs(), style));
    }

    /// A ring: a dot that is not filled.
    pub fn ring(&mut self, at: (f64, f64), radius: f64, ink: Ink) {
        self.dot(at, radius, ink);
        self.dot(at, radius - 1.6, Ink::SURFACE);
    }

    /// A line of text, vertically centred on the point; `size` in CSS pixels.
    pub fn text(&mut self, at: (f64, f64), text: &str, size: f64, anchor: Anchor, ink: Ink) {
        let color = self.color(ink, 1.0);
        self.marks
            .push(Mark::Text(unit(&at), text.to_owned(), size, anchor, color));
    }

    fn style(&mut self, ink: Ink, alpha: f64, stroke: f64) -> ShapeStyle {
        let stroke_width = round(stroke * UNITS).unsigned_abs();
        ShapeStyle {
            color: self.color(ink, alpha),
            filled: stroke == 0.0,
            stroke_width,
        }
    }

    /// The colour that stands for an ink: `#F000nn`.
    fn color(&mut self, ink: Ink, alpha: f64) -> RGBAColor {
        let index = self.inks.iter().position(|known| *known == ink).unwrap_or_else(|| {
            self.inks.push(ink);
            self.inks.len() - 1
        });
        RGBAColor(0xF0, 0x00, u8::try_from(index).unwrap_or(u8::MAX), alpha)
    }

    /// The SVG element, its class given, its text alternative escaped.
    pub fn finish(self, class: &str, label: &str) -> String {
        let size = (
            round(self.width * UNITS).unsigned_abs(),
            round(self.height * UNITS).unsigned_abs(),
        );
        let mut svg = String::new();
        {
            let mut backend = SVGBackend::with_string(&mut svg, size);
            for mark in &self.marks {
                mark.draw(&mut backend);
            }
        }
        let body = svg
            .find("<svg")
            .and_then(|at| svg[at..].find('>').map(|end| &svg[at + end + 1..]))
            .unwrap_or("");
        let mut body = body
            .replace("font-family=\"sans-serif\" ", "")
            .replace(" opacity=\"1\"", "");
        for (index, ink) in self.inks.iter().enumerate() {
            body = body.replace(&format!("\"#F000{index:02X}\""), &ink.attribute());
        }
        let label = label.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        let (width, height) = size;
        format!("<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">{body}")
    }
}

impl Mark {
    /// Writing into a string can't fail, so neither can this; an error would leave the mark out.
    fn draw(&self, backend: &mut SVGBackend) {
        let outcome = match self {
            Self::Path(points, style) => backend.draw_path(points.iter().copied(), style),
            Self::Area(points, style) => backend.fill_polygon(points.iter().copied(), style),
            Self::Rect(from, to, style) => backend.draw_rect(*from, *to, style, true),
            Self::Dot(at, radius, style) => backend.draw_circle(*at, *radius, style, true),
            Self::Text(at, text, size, anchor, color) => {
                let style = text_style(*size, *anchor, color);
                backend.draw_text(text, &style, *at)
            }
        };
        debug_assert!(outcome.is_ok());
    }
}

fn text_style(size: f64, anchor: Anchor, color: &RGBAColor) -> TextStyle<'static> {
    let horizontal = match anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    (FontFamily::SansSerif, size * UNITS * FONT_RATIO)
        .with_color(color)
        .into_text_style(&(0, 0))
        .pos(Pos::new(horizontal, VPos::Center))
}

/// An estimate of a text's width in CSS pixels: wide enough for the common sans fonts.
pub fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * 0.56
}

/// The text, cut with an ellipsis so that it fits `width` CSS pixels.
pub fn fit(text: &str, size: f64, width: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let room = (width / (size * 0.56)).floor().max(1.0) as usize;
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

fn unit(point: &(f64, f64)) -> (i32, i32) {
    (round(point.0 * UNITS), round(point.1 * UNITS))
}

fn round(value: f64) -> i32 {
    value.round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_css_variables_and_text_is_escaped() {
        let mut canvas = Canvas::new(100.0, 50.0);
        canvas.path(&[(0.0, 0.0), (10.0, 10.0)], Ink::P99, 1.5);
        canvas.text((5.0, 5.0), "<script>", 12.0, Anchor::Middle, Ink::TEXT);
        let svg = canvas.finish("wide", "a \"chart\" <b>");
        assert!(
            svg.contains("stroke=\"var(--p99)\"") && svg.contains("fill=\"var(--ink)\""),
            "{svg}"
        );
        assert!(svg.contains("&lt;script&gt;") && !svg.contains("<script>"), "{svg}");
        assert!(!svg.contains("#F000"), "{svg}");
        assert!(svg.starts_with("<svg class=\"wide\" viewBox=\"0 0 1000 500\"") && svg.trim_end().ends_with("</svg>"));
    }
}
