//! Running headers, footers and page numbers: found because they come back, and removed.

use super::headings::Style;
use super::lines::{Line, PageLines};
use std::collections::{HashMap, HashSet};

/// Share of the page's height at its top and bottom where furniture stands.
const BAND: f32 = 0.14;

/// Most lines of furniture at each end of a page.
const MAX_LINES: usize = 4;

/// Longest piece of furniture, in characters; running text may start alike on several pages.
const MAX_CHARS: usize = 90;

/// A line this many times as large as the text is no page number with words.
const LARGE: f32 = 1.15;

/// A line farther than so many sizes from the next one is set apart from the text.
const APART: f32 = 2.0;

/// Words that stand beside page numbers.
const PAGE_WORDS: [&str; 29] = [
    "page", "pages", "pg", "p", "pp", "of", "seite", "s", "von", "blatt", "página", "pagina", "pág", "pag",
    "de", "di", "sur", "van", "strona", "z", "sida", "side", "av", "af", "sivu", "oldal", "sayfa", "стр",
    "из",
];

/// Pages in a row whose numbers go on, from which these are page numbers.
const RUN: usize = 3;

/// Removes what comes back at the same place on enough pages: equal text, or text of which only a number differs that
/// grows with the pages. All else stays, for a line less is worse than one too many.
pub(super) fn remove(pages: &mut [PageLines]) {
    let census = Census::of(pages);
    if census.with_text < 2 {
        return;
    }
    for (number, (page, ends)) in pages.iter_mut().zip(&census.ends).enumerate() {
        let gone: Vec<usize> =
            ends.iter().filter(|end| census.is_furniture(number, end)).map(|e| e.at).collect();
        if let Some(lines) = page.groups.first_mut() {
            let mut at = 0;
            lines.retain(|_| {
                at += 1;
                !gone.contains(&(at - 1))
            });
        }
    }
}

/// What stands at the ends of pages, and how often.
struct Census {
    /// Per page.
    ends: Vec<Vec<End>>,
    with_text: usize,
    body_size: f32,
    /// Pages on which a text stands at a place, ascending.
    texts: HashMap<(String, i32), Vec<usize>>,
    /// The same for a text of which one number grows with the pages.
    counting: HashMap<(Counting, i32), Vec<usize>>,
    /// Pages whose outermost line stands at a place.
    edges: HashMap<i32, usize>,
}

/// A text with one of its numbers as it would be on the first page.
type Counting = (String, i64);

impl Census {
    fn of(pages: &[PageLines]) -> Self {
        let ends: Vec<Vec<End>> = pages.iter().map(candidates).collect();
        let (mut texts, mut counting, mut edges) = (HashMap::new(), HashMap::new(), HashMap::new());
        for (page, ends) in ends.iter().enumerate() {
            // A page counts once.
            let own: HashSet<_> = ends.iter().map(|end| (end.text.clone(), end.place)).collect();
            own.into_iter().for_each(|key| texts.entry(key).or_insert_with(Vec::new).push(page));
            let own = ends.iter().flat_map(|end| end.counting.iter().map(|form| (form.clone(), end.place)));
            let own: HashSet<_> = own.collect();
            own.into_iter().for_each(|key| counting.entry(key).or_insert_with(Vec::new).push(page));
            for end in ends.iter().filter(|end| end.outermost) {
                *edges.entry(end.place).or_default() += 1;
            }
        }
        let with_text = pages.iter().filter(|page| page.chars > 0).count();
        let body_size = Style::of(pages).body_size;
        Self { ends, with_text, body_size, texts, counting, edges }
    }

    fn is_furniture(&self, page: usize, end: &End) -> bool {
        // Places are rounded, so the neighbouring ones count too.
        let places = || (-1..=1).map(|step| end.place.saturating_add(step));
        let same: Vec<usize> = places()
            .filter_map(|place| self.texts.get(&(end.text.clone(), place)))
            .flatten()
            .copied()
            .collect();
        // Left and right pages may differ, hence less than half; two pages say little, unless all
        // that differs is the page number.
        let enough = match self.with_text {
            n @ 0..=3 => n,
            n => (n * 2).div_ceil(5).max(3),
        };
        // Rows of a table and figures come back too.
        let plain = end.letters && end.beside == 1;
        if same.len() >= enough && self.with_text > 2 && (plain || end.apart) {
            return true;
        }
        let counted = |form: &Counting| {
            let pages = || places().filter_map(|place| self.counting.get(&(form.clone(), place))).flatten();
            let count = pages().count();
            if end.bare {
                // Numbers begin anew with a chapter.
                let is_there = |other: usize| pages().any(|there| *there == other);
                let before =
                    (1..RUN).take_while(|back| page.checked_sub(*back).is_some_and(is_there)).count();
                let after = (1..RUN).take_while(|on| is_there(page + on)).count();
                return count >= enough || (end.outermost && before + after + 1 >= RUN);
            }
            count >= enough && self.with_text > 3 && end.apart && form.1 <= 1
        };
        if end.size <= LARGE * self.body_size && end.counting.iter().any(counted) {
            return true;
        }
        // The name of a chapter comes back on its pages only, where other pages have other names.
        let edge: usize = places().filter_map(|place| self.edges.get(&place)).sum();
        let near = same.iter().any(|other| *other != page && other.abs_diff(page) <= 2);
        near && end.outermost
            && end.apart
            && end.letters
            && end.beside <= 2
            && self.with_text > 3
            && edge * 2 >= self.with_text
    }
}

/// A line at an end of a page.
struct End {
    at: usize,
    /// Without blanks, in small letters.
    text: String,
    /// Its height, rounded.
    place: i32,
    size: f32,
    /// Whether nothing stands above, or below, it.
    outermost: bool,
    /// Whether the text next to it, or to the line next to it, is some way off.
    apart: bool,
    /// Pieces of its row: running headers have few, the header rows of tables have many.
    beside: usize,
    letters: bool,
    /// Whether it is a number with no other words than those of page numbers.
    bare: bool,
    /// Its forms with one number taken back to the first page.
    counting: Vec<Counting>,
}

/// Lines of the main group near the top and bottom of what the page prints.
fn candidates(page: &PageLines) -> Vec<End> {
    let Some(lines) = page.groups.first() else {
        return Vec::new();
    };
    let top = lines.iter().map(Line::top).fold(f32::MIN, f32::max);
    let bottom = lines.iter().map(Line::bottom).fold(f32::MAX, f32::min);
    let band = (top - bottom) * BAND;
    let mut high: Vec<usize> = Vec::new();
    let mut low: Vec<usize> = Vec::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, l)| l.text.chars().count() <= MAX_CHARS) {
        if line.y > top - band {
            high.push(at);
        } else if line.y < bottom + band {
            low.push(at);
        }
    }
    let y = |at: &usize| lines.get(*at).map_or(0.0, |l| l.y);
    high.sort_by(|a, b| y(b).total_cmp(&y(a)));
    low.sort_by(|a, b| y(a).total_cmp(&y(b)));
    high.truncate(MAX_LINES);
    low.truncate(MAX_LINES);
    let mut ends = Vec::new();
    for (side, inward) in [(high, -1.0), (low, 1.0)] {
        let edge = side.first().map_or(0.0, y);
        let in_row = |place: f32| side.iter().filter(|at| (y(at) - place).abs() < 2.0).count();
        for at in &side {
            let Some(line) = lines.get(*at) else { continue };
            let outermost = (line.y - edge).abs() < 2.0;
            // The row next to it, and from there the next: a running header may have two lines.
            let inner = |from: f32| {
                let gaps = lines.iter().map(|other| (other.y - from) * inward).filter(|gap| *gap >= 2.0);
                gaps.fold(f32::MAX, f32::min)
            };
            let gap = inner(line.y);
            let gap = gap.max(inner(line.y + gap * inward));
            ends.push(End {
                outermost,
                beside: in_row(line.y),
                apart: gap > APART * line.size,
                ..End::of(line, *at, page.number)
            });
        }
    }
    ends
}

impl End {
    fn of(line: &Line, at: usize, page: u32) -> Self {
        let lower = line.text.to_lowercase();
        let text: String = lower.split_whitespace().collect();
        let words = || lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
        let numbers = numbers(&text);
        let roman = roman(&text);
        let page = i64::from(page);
        let back = |number: u64| i64::try_from(number).unwrap_or(i64::MAX) - page + 1;
        let mut counting: Vec<Counting> = numbers
            .iter()
            .map(|(range, number)| {
                let (before, after) = (text.get(..range.start), text.get(range.end..));
                (format!("{}#{}", before.unwrap_or_default(), after.unwrap_or_default()), back(*number))
            })
            .collect();
        counting.extend(roman.map(|number| ("#".to_owned(), back(number))));
        Self {
            at,
            place: (line.y / 4.0).round() as i32,
            size: line.size,
            outermost: false,
            apart: false,
            beside: 1,
            letters: text.chars().any(char::is_alphabetic),
            bare: roman.is_some() || (numbers.len() <= 2 && words().all(|word| PAGE_WORDS.contains(&word))),
            counting,
            text,
        }
    }
}

/// The whole numbers of a text with their places.
fn numbers(text: &str) -> Vec<(std::ops::Range<usize>, u64)> {
    let mut found: Vec<(std::ops::Range<usize>, u64)> = Vec::new();
    for (at, digit) in text.char_indices().filter_map(|(at, c)| Some((at, c.to_digit(10)?))) {
        let digit = u64::from(digit);
        match found.last_mut() {
            Some((range, number)) if range.end == at => {
                range.end = at + 1;
                *number = number.saturating_mul(10).saturating_add(digit);
            }
            _ => found.push((at..at + 1, digit)),
        }
    }
    found
}

/// Small page numbers of a preface.
fn roman(text: &str) -> Option<u64> {
    let value = |c| match c {
        'i' => Some(1),
        'v' => Some(5),
        'x' => Some(10),
        'l' => Some(50),
        _ => None,
    };
    let digits: Vec<u64> = text.chars().map(value).collect::<Option<_>>()?;
    let next = digits.iter().skip(1).chain([&0]);
    let (more, less) = digits.iter().zip(next).fold((0, 0), |(more, less), (digit, next)| {
        if digit < next { (more, less + digit) } else { (more + digit, less) }
    });
    (1..=8).contains(&digits.len()).then(|| more.saturating_sub(less))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u32, texts: &[(&str, f32)]) -> PageLines {
        let line = |(text, y): &(&str, f32)| Line {
            text: (*text).to_owned(),
            left: 50.0,
            right: 300.0,
            y: *y,
            size: 10.0,
            bold: false,
            rank: 0,
        };
        PageLines { number, groups: vec![texts.iter().map(line).collect()], chars: 1 }
    }

    fn left(pages: &[PageLines]) -> Vec<String> {
        pages.iter().flat_map(|p| &p.groups).flatten().map(|l| l.text.clone()).collect()
    }

    #[test]
    fn what_comes_back_goes() {
        let number: Vec<String> = (1..=6).map(|n| format!("Page {n} of 6")).collect();
        let body: Vec<String> = (1..=6).map(|n| format!("text {}", "abcdef".get(n..).unwrap())).collect();
        let mut pages: Vec<PageLines> = (0..6)
            .map(|n| {
                let head = if n % 2 == 0 { "Manual X" } else { "Chapter" };
                page(
                    n as u32 + 1,
                    &[(head, 800.0), (&body[n], 600.0), ("same in the middle", 400.0), (&number[n], 30.0)],
                )
            })
            .collect();
        remove(&mut pages);
        let left = left(&pages);
        assert_eq!(left.len(), 12, "{left:?}");
        assert!(!left.iter().any(|l| l.starts_with("Page") || l.starts_with("Manual")));
    }

    #[test]
    fn two_pages_lose_their_numbers_only() {
        let mut pages = vec![
            page(1, &[("Letterhead", 800.0), ("a", 500.0), ("1", 30.0)]),
            page(2, &[("Letterhead", 800.0), ("b", 500.0), ("2", 30.0)]),
        ];
        remove(&mut pages);
        assert_eq!(left(&pages), ["Letterhead", "a", "Letterhead", "b"]);
    }

    #[test]
    fn numbers_that_do_not_count_pages_stay() {
        let on_each = |tops: &[&str], number_from: u32| -> Vec<PageLines> {
            let body = ["first words", "others", "more of it", "a fourth page", "the fifth", "and the last"];
            (0_u32..)
                .zip(tops)
                .zip(body)
                .map(|((n, top), body)| page(number_from + n, &[(top, 800.0), (body, 400.0), ("end", 30.0)]))
                .collect()
        };
        for tops in [
            [
                "Price: 100 EUR",
                "Price: 250 EUR",
                "Price: 90 EUR",
                "Price: 300 EUR",
                "Price: 310 EUR",
                "Price: 100 EUR",
            ],
            [
                "Room 101: for 20",
                "Room 102: for 20",
                "Room 103: for 20",
                "Room 104: for 20",
                "Room 105: for 20",
                "Room 106: for 20",
            ],
            ["7", "31", "12", "8", "90", "4"],
        ] {
            let mut pages = on_each(&tops, 1);
            remove(&mut pages);
            assert!(tops.iter().all(|top| left(&pages).contains(&(*top).to_owned())), "{:?}", left(&pages));
        }
        for tops in [
            ["117", "118", "119", "120", "121", "122"],
            ["v", "vi", "vii", "viii", "ix", "x"],
            [
                "Seite 3 von 9",
                "Seite 4 von 9",
                "Seite 5 von 9",
                "Seite 6 von 9",
                "Seite 7 von 9",
                "Seite 8 von 9",
            ],
            [
                "Manual 2026 - 1",
                "Manual 2026 - 2",
                "Manual 2026 - 3",
                "Manual 2026 - 4",
                "Manual 2026 - 5",
                "Manual 2026 - 6",
            ],
        ] {
            let mut pages = on_each(&tops, 1);
            remove(&mut pages);
            assert!(tops.iter().all(|top| !left(&pages).contains(&(*top).to_owned())), "{:?}", left(&pages));
        }
        let mut invoices = vec![
            page(1, &[("Invoice No. 1001", 800.0), ("a", 500.0)]),
            page(2, &[("Invoice No. 1002", 800.0), ("b", 500.0)]),
        ];
        remove(&mut invoices);
        assert_eq!(left(&invoices).len(), 4);
    }

    #[test]
    fn numbers_that_begin_anew_go_and_headings_stay() {
        let pages_of = |tops: &[String]| -> Vec<PageLines> {
            let text =
                |n: usize| format!("words {} of their own", "abcdefghijklmnopqrstuvwxyz".get(n..).unwrap());
            let texts: Vec<String> = (0..tops.len()).map(text).collect();
            (1_u32..)
                .zip(tops)
                .zip(&texts)
                .map(|((n, top), text)| page(n, &[(top, 800.0), (text, 760.0), ("end", 400.0)]))
                .collect()
        };
        let chapters: Vec<String> = (1..=4).flat_map(|c| (1..=5).map(move |n| format!("{c}-{n}"))).collect();
        let preface: Vec<String> = ["i", "ii", "iii", "iv"]
            .into_iter()
            .map(str::to_owned)
            .chain((1..=16).map(|n| n.to_string()))
            .collect();
        let names: Vec<String> =
            (1..=4).flat_map(|c| (0..5).map(move |_| format!("CHAPTER {c}. METHODS"))).collect();
        for tops in [&chapters, &preface, &names] {
            let mut pages = pages_of(tops);
            remove(&mut pages);
            assert_eq!(
                left(&pages).iter().filter(|line| tops.contains(line)).count(),
                0,
                "{:?}",
                left(&pages)
            );
        }
        // Years as headings of their pages, and questions right above their text.
        let years: Vec<String> = (2018..=2023).map(|year| year.to_string()).collect();
        let mut pages = pages_of(&years);
        for page in &mut pages {
            page.groups[0][0].size = 24.0;
        }
        remove(&mut pages);
        assert_eq!(left(&pages).iter().filter(|line| years.contains(line)).count(), 6);
        let questions: Vec<String> = (1..=6).map(|n| format!("Question {n}")).collect();
        let mut pages = pages_of(&questions);
        for page in &mut pages {
            (page.groups[0][1].y, page.groups[0][2].y) = (788.0, 776.0);
        }
        remove(&mut pages);
        assert_eq!(left(&pages).iter().filter(|line| questions.contains(line)).count(), 6);
    }

    #[test]
    fn rows_of_tables_stay() {
        let mut pages: Vec<PageLines> = (1..=5)
            .map(|n| {
                let mut page = page(
                    n,
                    &[
                        ("Yes", 800.0),
                        ("No", 800.0),
                        ("Yes", 800.0),
                        ("9", 788.0),
                        ("8", 788.0),
                        ("7", 776.0),
                    ],
                );
                for (at, line) in page.groups[0].iter_mut().enumerate() {
                    (line.left, line.right) = (at as f32 * 60.0, at as f32 * 60.0 + 20.0);
                }
                page
            })
            .collect();
        let before = left(&pages);
        remove(&mut pages);
        assert_eq!(left(&pages), before);
    }
}
