//! `group`: JSON → typed aggregates → plan parts → wire rows.

use super::order::{decode, encode, pick};
use crate::Error;
use crate::api::Row;
use crate::filter::{Field, Slot, resolve};
use crate::record::number_value;
use crate::schema::{Kind, Schema};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMillisecondType};
use datafusion::common::{Column, DataFusionError};
use datafusion::functions_aggregate::expr_fn::{array_agg, avg, count, max, min, sum};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprFunctionExt, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, SortExpr,
    Volatility,
};
use quarry_types::Timestamp;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

const MAX_OUTPUTS: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GroupOp {
    Key,
    Count,
    Sum,
    Avg,
    Min,
    Max,
    Unique,
}

impl GroupOp {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "key" => Self::Key,
            "count" => Self::Count,
            "sum" => Self::Sum,
            "avg" => Self::Avg,
            "min" => Self::Min,
            "max" => Self::Max,
            "unique" => Self::Unique,
            _ => return None,
        })
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Key => "Key",
            Self::Count => "Count",
            Self::Sum => "Sum",
            Self::Avg => "Avg",
            Self::Min => "Min",
            Self::Max => "Max",
            Self::Unique => "Unique",
        }
    }
}

struct Aggregate {
    path: String,
    field: Field,
    op: GroupOp,
    /// The name in the answer.
    name: String,
}

/// A checked group.
pub(crate) struct Group {
    outputs: Vec<Aggregate>,
    order: Option<(usize, bool)>,
}

/// What a plan needs of a group.
pub(crate) struct Parts {
    pub(crate) keys: Vec<Expr>,
    pub(crate) aggregates: Vec<Expr>,
    pub(crate) order: Vec<SortExpr>,
}

fn wrong(text: String) -> Error {
    Error::InvalidQuery(text)
}

impl Group {
    /// # Errors
    /// [`Error::InvalidQuery`] naming the path and what to change.
    pub(crate) fn parse(
        group: &Value,
        schema: &Schema,
        order_by: Option<&str>,
        descending: bool,
    ) -> Result<Self, Error> {
        let Some(map) = group.as_object().filter(|map| !map.is_empty()) else {
            return Err(wrong(
                "group: must be an object of column and operation, such as {\"city\": \"key\"}".into(),
            ));
        };
        let mut outputs: Vec<Aggregate> = Vec::new();
        for (path, ops) in map {
            let at = format!("group.{path}");
            let field = resolve(path, schema, &at)?;
            let words: Vec<&Value> = match ops {
                Value::Array(list) if !list.is_empty() => list.iter().collect(),
                one => vec![one],
            };
            for word in words {
                let op = word.as_str().and_then(GroupOp::parse).ok_or_else(|| {
                    wrong(format!(
                        "{at}: unknown operation {word}; use key, count, sum, avg, min, max or unique"
                    ))
                })?;
                let numeric = matches!(field.kind, Kind::Number | Kind::Json);
                if matches!(op, GroupOp::Sum | GroupOp::Avg) && !numeric {
                    return Err(wrong(format!(
                        "{at}: sum and avg work on numbers, the column is a {}",
                        field.kind.name()
                    )));
                }
                let name = format!("{}{}", camel_case(path), op.suffix());
                match outputs.iter().find(|other| other.name == name) {
                    Some(same) if same.path == *path => continue,
                    Some(other) => {
                        return Err(wrong(format!(
                            "{at}: {:?} and {path:?} both answer as {name:?}; ask for one at a time",
                            other.path
                        )));
                    }
                    None => outputs.push(Aggregate { path: path.clone(), field: field.clone(), op, name }),
                }
            }
        }
        if outputs.len() > MAX_OUTPUTS {
            return Err(wrong(format!(
                "group: {} values asked for, the limit is {MAX_OUTPUTS}",
                outputs.len()
            )));
        }
        let order = match order_by.filter(|name| !matches!(*name, "id" | "row_id")) {
            None => None,
            Some(name) => {
                let at = outputs.iter().position(|output| output.name == name);
                let key =
                    || outputs.iter().position(|output| output.op == GroupOp::Key && output.path == name);
                match at.or_else(key) {
                    Some(at) if outputs.get(at).is_some_and(|output| output.op != GroupOp::Unique) => {
                        Some((at, descending))
                    }
                    _ => {
                        let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
                        return Err(wrong(format!(
                            "orderBy: with group, order by one of {}",
                            names.join(", ")
                        )));
                    }
                }
            }
        };
        Ok(Self { outputs, order })
    }

    /// The expressions of a plan; columns they read are added to `slots`.
    pub(crate) fn expressions(&self, slots: &mut BTreeSet<Slot>) -> Parts {
        let mut parts = Parts { keys: Vec::new(), aggregates: Vec::new(), order: Vec::new() };
        for (at, output) in self.outputs.iter().enumerate() {
            let slot = Slot::values(output.field.column, output.field.kind);
            slots.insert(slot);
            let numeric = matches!(output.op, GroupOp::Sum | GroupOp::Avg);
            let value = match output.field.kind {
                Kind::Json => ScalarUDF::new_from_impl(Place::new(output.field.path.clone(), numeric))
                    .call(vec![slot.column()]),
                _ => slot.column(),
            };
            let name = internal(at);
            match output.op {
                GroupOp::Key => parts.keys.push(value.alias(name)),
                GroupOp::Count => parts.aggregates.push(count(value).alias(name)),
                GroupOp::Sum => parts.aggregates.push(sum(value).alias(name)),
                GroupOp::Avg => parts.aggregates.push(avg(value).alias(name)),
                GroupOp::Min => parts.aggregates.push(min(value).alias(name)),
                GroupOp::Max => parts.aggregates.push(max(value).alias(name)),
                GroupOp::Unique => {
                    let distinct =
                        array_agg(value.clone()).distinct().build().unwrap_or_else(|_| array_agg(value));
                    parts.aggregates.push(distinct.alias(name));
                }
            }
        }
        let by = |at: usize, ascending: bool| {
            Expr::Column(Column::new_unqualified(internal(at))).sort(ascending, false)
        };
        if let Some((at, descending)) = self.order {
            parts.order.push(by(at, !descending));
        }
        let keys = self.outputs.iter().enumerate().filter(|(_, output)| output.op == GroupOp::Key);
        parts.order.extend(
            keys.filter(|(at, _)| self.order.is_none_or(|(first, _)| first != *at))
                .map(|(at, _)| by(at, true)),
        );
        parts
    }

    /// Wire rows of a plan's result.
    pub(crate) fn rows(&self, batches: &[RecordBatch]) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        for batch in batches {
            let columns: Vec<&ArrayRef> = (0..self.outputs.len())
                .map(|at| {
                    let missing = || Error::Internal(format!("the plan lost output {at}"));
                    batch.column_by_name(&internal(at)).ok_or_else(missing)
                })
                .collect::<Result<_, _>>()?;
            for row in 0..batch.num_rows() {
                let mut wire = Row::with_capacity(self.outputs.len());
                for (output, column) in self.outputs.iter().zip(&columns) {
                    wire.insert(output.name.clone(), output.value(column, row)?);
                }
                rows.push(wire);
            }
        }
        Ok(rows)
    }
}

fn internal(at: usize) -> String {
    format!("o{at}")
}

impl Aggregate {
    fn value(&self, column: &ArrayRef, row: usize) -> Result<Value, Error> {
        let numeric = matches!(self.op, GroupOp::Sum | GroupOp::Avg);
        let kind = if numeric { Kind::Number } else { self.field.kind };
        match self.op {
            GroupOp::Count => {
                let counts = cast(column, &DataType::Int64)?;
                Ok(counts.as_primitive::<Int64Type>().value(row).into())
            }
            GroupOp::Unique => {
                let Some(lists) = column.as_list_opt::<i32>().filter(|lists| lists.is_valid(row)) else {
                    return Ok(Value::Array(Vec::new()));
                };
                let items = lists.value(row);
                let mut values =
                    (0..items.len()).map(|at| value(kind, &items, at)).collect::<Result<Vec<_>, _>>()?;
                values.retain(|value| !value.is_null());
                values.sort_by(json_order);
                Ok(Value::Array(values))
            }
            _ => value(kind, column, row),
        }
    }
}

fn value(kind: Kind, column: &ArrayRef, row: usize) -> Result<Value, Error> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    let typed = |data_type: &DataType| {
        let one = column.slice(row, 1);
        if one.data_type() == data_type { Ok(one) } else { cast(&one, data_type) }
    };
    Ok(match kind {
        Kind::Number => number_value(typed(&DataType::Float64)?.as_primitive::<Float64Type>().value(0)),
        Kind::Bool => typed(&DataType::Boolean)?.as_boolean().value(0).into(),
        Kind::Text => typed(&DataType::Utf8View)?.as_string_view().value(0).into(),
        Kind::DateTime => {
            let moments = typed(&DataType::Timestamp(TimeUnit::Millisecond, None))?;
            Timestamp(moments.as_primitive::<TimestampMillisecondType>().value(0)).to_string().into()
        }
        Kind::Json => decode(typed(&DataType::Utf8View)?.as_string_view().value(0)),
    })
}

/// Booleans, numbers, strings, then the rest.
fn json_order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => encode(a).cmp(&encode(b)),
    }
}

/// `obj.city` and `my column` as one word: `objCity`, `myColumn`.
fn camel_case(path: &str) -> String {
    let mut name = String::with_capacity(path.len());
    for segment in path.split(|letter: char| !letter.is_alphanumeric()).filter(|segment| !segment.is_empty())
    {
        let mut letters = segment.chars();
        let Some(first) = letters.next() else { continue };
        if name.is_empty() {
            name.extend(first.to_lowercase());
        } else {
            name.extend(first.to_uppercase());
        }
        name.push_str(letters.as_str());
    }
    if name.is_empty() { path.to_owned() } else { name }
}

/// The value at a place of a JSON column: as a number, or as its sortable text.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Place {
    path: Vec<String>,
    numeric: bool,
    signature: Signature,
}

impl Place {
    fn new(path: Vec<String>, numeric: bool) -> Self {
        Self { path, numeric, signature: Signature::exact(vec![DataType::Utf8View], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Place {
    fn name(&self) -> &str {
        if self.numeric { "json_number" } else { "json_place" }
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String, DataFusionError> {
        // The path belongs to the identity: two places of one column are two columns of a plan.
        let args: Vec<String> = args.iter().map(|arg| arg.schema_name().to_string()).collect();
        Ok(format!("{}({}, {:?})", self.name(), args.join(", "), self.path))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(if self.numeric { DataType::Float64 } else { DataType::Utf8View })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue, DataFusionError> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let texts = arrays.first().and_then(|array| array.as_string_view_opt());
        let texts =
            texts.ok_or_else(|| DataFusionError::Internal("json place: unexpected argument".into()))?;
        let parsed = texts.iter().map(|text| text.and_then(|text| serde_json::from_str::<Value>(text).ok()));
        let result: ArrayRef = if self.numeric {
            let numbers = parsed.map(|value| pick(value.as_ref()?, &self.path)?.as_f64());
            Arc::new(numbers.collect::<Float64Array>())
        } else {
            let places = parsed.map(|value| encode(pick(value.as_ref()?, &self.path)?));
            Arc::new(places.collect::<StringViewArray>())
        };
        Ok(ColumnarValue::Array(result))
    }
}
