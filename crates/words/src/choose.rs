//! Which column is meant when the question does not name one.
//!
//! Knows fields and their concepts, no grammar. Invariant: no column is chosen at random: where
//! nothing speaks for one column over another, the answer is none.

use crate::concept::{Concept, Grade, Scale};
use crate::field::Field;
use crate::lexicon::Lexicon;
use crate::number::{Number, Unit};
use crate::vocabulary::Kind;

/// The first column about one of these, in this order, that passes.
fn first_about(lexicon: &Lexicon, concepts: &[Concept], fits: impl Fn(&Field) -> bool) -> Option<usize> {
    let of = |concept: &Concept| {
        let mut columns: Vec<usize> =
            lexicon.with_concept(*concept).filter(|at| lexicon.fields.get(*at).is_some_and(&fits)).collect();
        // "price" before "shipping cost": the shorter name is the plainer one.
        columns.sort_by_key(|at| lexicon.fields.get(*at).map_or(0, |field| field.words.len()));
        columns.first().copied()
    };
    concepts.iter().find_map(of)
}

pub(crate) fn is_number(field: &Field) -> bool {
    field.kind == Kind::Number
}

/// The column of amounts of money.
pub(crate) fn money(lexicon: &Lexicon) -> Option<usize> {
    use Concept as C;
    first_about(lexicon, &[C::Price, C::Total, C::Pay], |field| {
        is_number(field) && !field.concepts.contains(&C::Shipping)
    })
}

/// The column a bare day or span is about: when rows began, not when they ended.
pub(crate) fn date(lexicon: &Lexicon) -> Option<usize> {
    use Concept as C;
    let dated = |field: &Field| field.kind == Kind::DateTime && !field.is_system;
    let leading = [C::Ordered, C::Opened, C::Begin, C::Hired, C::Listed, C::Launched, C::Created];
    let late = [C::End, C::Resolved, C::Shipped, C::Updated, C::Due];
    first_about(lexicon, &leading, dated)
        .or_else(|| {
            lexicon.fields.iter().position(|field| {
                dated(field) && !late.iter().any(|concept| field.concepts.contains(concept))
            })
        })
        .or_else(|| lexicon.fields.iter().position(dated))
        .or_else(|| lexicon.fields.iter().position(|field| field.name == "createdAt"))
}

/// The column that names a row.
pub(crate) fn title(lexicon: &Lexicon) -> Option<usize> {
    let text = |field: &Field| field.kind == Kind::Text && !field.is_prose && !field.name.contains('.');
    let called = lexicon.fields.iter().position(|field| {
        text(field)
            && matches!(field.words.as_slice(), [word] if word.folded == "name" || word.folded == "title")
    });
    called.or_else(|| first_about(lexicon, &[Concept::Title], |field| text(field) && field.words.len() == 1))
}

const PEOPLE: [Concept; 6] = [
    Concept::Customer,
    Concept::Author,
    Concept::Teacher,
    Concept::Organizer,
    Concept::Assignee,
    Concept::Boss,
];

/// Whether a column tells of people.
pub(crate) fn is_person(field: &Field) -> bool {
    field.kind == Kind::Text && PEOPLE.iter().any(|concept| field.concepts.contains(concept))
}

/// The column that answers "who" when no verb names one: the row's own name, or else a column of people.
pub(crate) fn who(lexicon: &Lexicon) -> Option<usize> {
    let title = title(lexicon);
    let called = |column: &usize| {
        let words = lexicon.fields.get(*column).map_or(&[][..], |field| field.words.as_slice());
        words.iter().any(|word| word.folded == "name")
    };
    title.filter(called).or_else(|| about(lexicon, &PEOPLE, &[Kind::Text])).or(title)
}

/// The column of amounts that a "total" without a column is about.
pub(crate) fn total(lexicon: &Lexicon) -> Option<usize> {
    first_about(lexicon, &[Concept::Total], |field| is_number(field) && !field.in_list)
}

/// The columns a free text is sought in.
pub(crate) fn prose(lexicon: &Lexicon) -> Vec<usize> {
    let with = |fits: &dyn Fn(&Field) -> bool| -> Vec<usize> {
        let found =
            lexicon.fields.iter().enumerate().filter(|(_, field)| field.kind == Kind::Text && fits(field));
        found.map(|(at, _)| at).collect()
    };
    let found = with(&|field| field.is_prose || field.concepts.contains(&Concept::Prose));
    if found.is_empty() { with(&|field| field.concepts.contains(&Concept::Title)) } else { found }
}

/// The column a grade orders by, and whether the grade means much (or late).
pub(crate) fn by_grade(lexicon: &Lexicon, grade: &Grade) -> Option<(usize, bool)> {
    grade.scales.iter().find_map(|scale| match scale {
        Scale::Of(concept, much) => {
            let fits = |field: &Field| is_number(field) && !field.in_list;
            first_about(lexicon, &[*concept], fits).map(|column| (column, *much))
        }
        Scale::Built(late) => {
            first_about(lexicon, &[Concept::Built], is_number).map(|column| (column, *late))
        }
        Scale::Date(late) => date(lexicon).map(|column| (column, *late)),
    })
}

/// The number column these amounts can belong to, when only one can.
pub(crate) fn by_amount(lexicon: &Lexicon, numbers: &[Number]) -> Option<usize> {
    if numbers.iter().any(|number| number.unit == Unit::Money) {
        return money(lexicon);
    }
    if numbers.iter().any(|number| number.unit == Unit::Percent) {
        return first_about(lexicon, &[Concept::Discount], is_number);
    }
    let covers = |field: &Field| {
        let (low, high) = field.range?;
        let fits = numbers.iter().all(|number| number.value >= low && number.value <= high);
        (is_number(field) && !field.is_system && fits).then_some(())
    };
    let fit: Vec<usize> = lexicon
        .fields
        .iter()
        .enumerate()
        .filter(|(_, field)| covers(field).is_some())
        .map(|(at, _)| at)
        .collect();
    match fit.as_slice() {
        [only] => Some(*only),
        // More than any row has, but of the size of a price, is money as well.
        [] => money(lexicon).filter(|column| {
            let range = lexicon.fields.get(*column).and_then(|field| field.range);
            range.is_some_and(|(low, high)| {
                numbers.iter().all(|number| number.value >= low && number.value <= high * 10.0)
            })
        }),
        several => money(lexicon).filter(|column| several.contains(column)),
    }
}

/// What kinds of things a count of rows is not about: numbers that add up.
pub(crate) fn adds_up(field: &Field) -> bool {
    use Concept as C;
    [C::Total, C::Stock, C::Quantity, C::Attendance, C::Shipping, C::Pay]
        .iter()
        .any(|concept| field.concepts.contains(concept))
}

pub(crate) fn about(lexicon: &Lexicon, concepts: &[Concept], kinds: &[Kind]) -> Option<usize> {
    first_about(lexicon, concepts, |field| kinds.contains(&field.kind))
}
