//! Typed filter to DataFusion `Expr`: the one translator of both query paths.
//!
//! Column `c<id>` holds the comparable values of a column, `t<id>` the text of a date-time where it
//! is not the canonical one. Under a NOT every leaf is wrapped in IS TRUE, so null behaves as false
//! and the result equals the two-valued meaning of [`Filter`].

use super::ast::{Bound, Filter, Literal, Op, Test};
use super::leaf;
use crate::schema::{ColumnId, Kind};
use arrow::array::{Array, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMillisecondType};
use datafusion::common::{Column, DataFusionError, ScalarValue};
use datafusion::logical_expr::expr_fn::{in_list, is_true, not};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    binary_expr, lit,
};
use quarry_types::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// One stored Arrow column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Slot {
    /// Comparable values: Float64, Utf8View, Boolean, Timestamp(ms), or JSON text as Utf8View.
    Values(ColumnId, Kind),
    /// Original text of date-times that are not canonical (Utf8View).
    Original(ColumnId),
}

impl Slot {
    pub(crate) fn values(column: ColumnId, kind: Kind) -> Self {
        Self::Values(column, kind)
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Values(column, _) => format!("c{}", column.0),
            Self::Original(column) => format!("t{}", column.0),
        }
    }

    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Values(_, Kind::Number) => DataType::Float64,
            Self::Values(_, Kind::Bool) => DataType::Boolean,
            Self::Values(_, Kind::DateTime) => DataType::Timestamp(TimeUnit::Millisecond, None),
            Self::Values(_, Kind::Text | Kind::Json) | Self::Original(_) => DataType::Utf8View,
        }
    }

    pub(crate) fn column(self) -> Expr {
        Expr::Column(Column::new_unqualified(self.name()))
    }
}

fn needs_function(test: &Test) -> bool {
    let by_null = matches!(test.op, Op::Exists) && test.field.path.is_empty();
    let json = test.field.kind == Kind::Json && !by_null;
    json || matches!(test.op, Op::Mod { .. } | Op::Size(_) | Op::Regex(_))
}

/// The expression of a filter; the columns it reads are added to `slots`.
pub(crate) fn expr_of(filter: &Filter, slots: &mut BTreeSet<Slot>) -> Expr {
    build(filter, false, slots)
}

fn build(filter: &Filter, negated: bool, slots: &mut BTreeSet<Slot>) -> Expr {
    match filter {
        Filter::All(parts) => {
            balanced(parts.iter().map(|part| build(part, negated, slots)).collect(), Operator::And, true)
        }
        Filter::Any(parts) => {
            balanced(parts.iter().map(|part| build(part, negated, slots)).collect(), Operator::Or, false)
        }
        Filter::Not(part) => not(build(part, true, slots)),
        Filter::Test(test) => {
            let expr = test_expr(test, slots);
            if negated { is_true(expr) } else { expr }
        }
    }
}

/// Joins expressions in a tree of logarithmic depth, so long lists do not exhaust the stack.
fn balanced(mut parts: Vec<Expr>, operator: Operator, empty: bool) -> Expr {
    if parts.len() > 2 {
        let right = balanced(parts.split_off(parts.len() / 2), operator, empty);
        return binary_expr(balanced(parts, operator, empty), operator, right);
    }
    match (parts.pop(), parts.pop()) {
        (Some(right), Some(left)) => binary_expr(left, operator, right),
        (Some(only), None) => only,
        _ => lit(empty),
    }
}

fn test_expr(test: &Test, slots: &mut BTreeSet<Slot>) -> Expr {
    let slot = Slot::values(test.field.column, test.field.kind);
    slots.insert(slot);
    let column = slot.column();
    if needs_function(test) {
        let mut args = vec![column];
        if test.field.kind == Kind::DateTime {
            let original = Slot::Original(test.field.column);
            slots.insert(original);
            args.push(original.column());
        }
        return ScalarUDF::new_from_impl(RowTest::new(test.clone(), args.len())).call(args);
    }
    match &test.op {
        Op::Equals(Literal::Null) => column.is_null(),
        Op::Equals(literal) => binary_expr(column, Operator::Eq, scalar(literal)),
        Op::Compare(bound, literal) => {
            let operator = match bound {
                Bound::Less => Operator::Lt,
                Bound::LessOrEqual => Operator::LtEq,
                Bound::Greater => Operator::Gt,
                Bound::GreaterOrEqual => Operator::GtEq,
            };
            binary_expr(column, operator, scalar(literal))
        }
        Op::In(literals) => {
            let known: Vec<Expr> =
                literals.iter().filter(|literal| **literal != Literal::Null).map(scalar).collect();
            let null = known.len() < literals.len();
            match (known.is_empty(), null) {
                (true, true) => column.is_null(),
                (true, false) => lit(false),
                (false, true) => column.clone().is_null().or(in_list(column, known, false)),
                (false, false) => in_list(column, known, false),
            }
        }
        Op::Exists => column.is_not_null(),
        Op::Mod { .. } | Op::Size(_) | Op::Regex(_) => lit(false),
    }
}

fn scalar(literal: &Literal) -> Expr {
    lit(match literal {
        Literal::Null | Literal::Json(_) => ScalarValue::Null,
        Literal::Bool(flag) => ScalarValue::Boolean(Some(*flag)),
        Literal::Number(number) => ScalarValue::Float64(Some(*number)),
        Literal::Text(text) => ScalarValue::Utf8View(Some(text.clone())),
        Literal::Moment(moment) => ScalarValue::TimestampMillisecond(Some(moment.as_ms()), None),
    })
}

/// A test that reads values row by row: JSON places, patterns, modulo. Never null.
#[derive(Debug)]
struct RowTest {
    test: Arc<Test>,
    signature: Signature,
}

impl RowTest {
    fn new(test: Test, args: usize) -> Self {
        Self { test: Arc::new(test), signature: Signature::any(args, Volatility::Immutable) }
    }
}

// Two are equal when they are one: patterns have no equality, and common subexpressions are shared
// by cloning the Arc.
impl PartialEq for RowTest {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.test, &other.test)
    }
}

impl Eq for RowTest {}

impl Hash for RowTest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.test).hash(state);
    }
}

impl ScalarUDFImpl for RowTest {
    fn name(&self) -> &str {
        "row_test"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue, DataFusionError> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let wrong = || DataFusionError::Internal("row_test: unexpected argument".into());
        let values = arrays.first().ok_or_else(wrong)?;
        let op = &self.test.op;
        let result: BooleanArray = match (self.test.field.kind, op) {
            (Kind::Number, Op::Mod { divisor, remainder }) => {
                let numbers = values.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
                let hit = |number: Option<f64>| number.is_some_and(|n| leaf::modulo(n, *divisor, *remainder));
                numbers.iter().map(|number| Some(hit(number))).collect()
            }
            (Kind::Text, Op::Regex(pattern)) => {
                let texts = values.as_string_view_opt().ok_or_else(wrong)?;
                texts.iter().map(|text| Some(text.is_some_and(|text| pattern.is_match(text)))).collect()
            }
            (Kind::DateTime, Op::Regex(pattern)) => {
                let moments = values.as_primitive_opt::<TimestampMillisecondType>().ok_or_else(wrong)?;
                let originals =
                    arrays.get(1).and_then(|array| array.as_string_view_opt()).ok_or_else(wrong)?;
                let each =
                    moments.iter().zip(originals.iter()).map(|(moment, original)| match (moment, original) {
                        (_, Some(text)) => pattern.is_match(text),
                        (Some(ms), None) => pattern.is_match(&Timestamp(ms).to_string()),
                        (None, None) => false,
                    });
                each.map(Some).collect()
            }
            _ => {
                let texts = values.as_string_view_opt().ok_or_else(wrong)?;
                let path = &self.test.field.path;
                let each = texts.iter().map(|text| {
                    let value: Option<Value> = text.and_then(|text| serde_json::from_str(text).ok());
                    leaf::holds(op, value.as_ref().filter(|value| !value.is_null()), path)
                });
                each.map(Some).collect()
            }
        };
        debug_assert_eq!(result.len(), values.len(), "one answer per row");
        Ok(ColumnarValue::Array(Arc::new(result)))
    }
}
