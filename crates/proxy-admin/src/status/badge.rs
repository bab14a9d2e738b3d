//! Badges in the shape that list sites and READMEs know: a grey half with what it is, a coloured half with how it is.

use super::escape;
use super::view::{NodeLine, Overall, View};

const GREEN: &str = "#2da44e";
const YELLOW: &str = "#bf8700";
const RED: &str = "#cf222e";
const BLUE: &str = "#0969da";
const GREY: &str = "#6e7781";

/// The badge of the whole.
pub(super) fn overall(view: &View) -> String {
    let colour = match view.status {
        Overall::Operational => GREEN,
        Overall::Degraded => YELLOW,
        Overall::Down => RED,
    };
    badge(&view.title, view.status.name(), colour)
}

/// The badge of one node.
pub(super) fn node(node: &NodeLine) -> String {
    let colour = match node.state {
        "healthy" => GREEN,
        "degraded" => YELLOW,
        "down" => RED,
        "draining" => BLUE,
        _ => GREY,
    };
    badge(&node.name, node.state, colour)
}

/// `label | message`. The widths are estimates, and `textLength` makes the text as wide as estimated.
fn badge(label: &str, message: &str, colour: &str) -> String {
    let (left, right) = (width(label), width(message));
    let (label_width, message_width) = (left + 10, right + 10);
    let total = label_width + message_width;
    let (label_middle, message_middle) = (label_width * 5, label_width * 10 + message_width * 5);
    let (left, right) = (left * 10, right * 10);
    let (label, message) = (escape(label), escape(message));
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="20" role="img" aria-label="{label}: {message}">
<title>{label}: {message}</title>
<linearGradient id="s" x2="0" y2="100%"><stop offset="0" stop-color="#bbb" stop-opacity=".1"/><stop offset="1" stop-opacity=".1"/></linearGradient>
<clipPath id="r"><rect width="{total}" height="20" rx="3" fill="#fff"/></clipPath>
<g clip-path="url(#r)"><rect width="{label_width}" height="20" fill="#4b5159"/><rect x="{label_width}" width="{message_width}" height="20" fill="{colour}"/><rect width="{total}" height="20" fill="url(#s)"/></g>
<g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" text-rendering="geometricPrecision" font-size="110">
<text x="{label_middle}" y="140" transform="scale(.1)" textLength="{left}">{label}</text>
<text x="{message_middle}" y="140" transform="scale(.1)" textLength="{right}">{message}</text>
</g>
</svg>
"##
    )
}

/// About how many pixels a text takes in 11 px Verdana.
fn width(text: &str) -> u32 {
    let tenths: u32 = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 38,
            'f' | 't' | 'r' | ' ' | '-' | '/' | '(' | ')' | '[' | ']' => 46,
            'm' | 'w' | 'M' | 'W' | '%' | '@' => 102,
            'A'..='Z' => 78,
            c if c.is_ascii() => 69,
            _ => 110,
        })
        .sum();
    tenths.div_ceil(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_takes_more_room_the_more_letters_it_has_and_no_letter_breaks_the_picture() {
        assert!(width("operational") > width("down"));
        assert_eq!(width(""), 0);
        let svg = badge("<&\">", "up", GREEN);
        assert!(svg.contains("&lt;&amp;&quot;&gt;: up") && !svg.contains("<&"), "{svg}");
    }
}
