//! Groups as a DataFusion plan: expressions of the aggregates, and wire rows of its result.
//!
//! Takes every group there is; knows nothing of the direct way.

use super::{Aggregate, Group, GroupOp, UniqueLists, json_order};
use crate::Error;
use crate::api::Row;
use crate::filter::Slot;
use crate::query::order::{decode, encode, pick};
use crate::record::number_value;
use crate::schema::Kind;
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
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a plan needs of a group.
pub(crate) struct Parts {
    pub(crate) keys: Vec<Expr>,
    pub(crate) aggregates: Vec<Expr>,
    pub(crate) order: Vec<SortExpr>,
}

impl Group {
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
                GroupOp::Min | GroupOp::Max => {
                    let value = if output.field.kind == Kind::DateTime {
                        let original = Slot::Original(output.field.column);
                        slots.insert(original);
                        ScalarUDF::new_from_impl(Stamp::new()).call(vec![value, original.column()])
                    } else {
                        value
                    };
                    let least = output.op == GroupOp::Min;
                    parts.aggregates.push(if least { min(value) } else { max(value) }.alias(name));
                }
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
    pub(crate) fn rows(&self, batches: &[RecordBatch], lists: &mut UniqueLists) -> Result<Vec<Row>, Error> {
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
                    wire.insert(output.name.clone(), output.value(column, row, lists)?);
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
    fn value(&self, column: &ArrayRef, row: usize, lists: &mut UniqueLists) -> Result<Value, Error> {
        let numeric = matches!(self.op, GroupOp::Sum | GroupOp::Avg);
        let kind = if numeric { Kind::Number } else { self.field.kind };
        match self.op {
            GroupOp::Count => {
                let counts = cast(column, &DataType::Int64)?;
                Ok(counts.as_primitive::<Int64Type>().value(row).into())
            }
            GroupOp::Unique => {
                let Some(arrays) = column.as_list_opt::<i32>().filter(|arrays| arrays.is_valid(row)) else {
                    return Ok(Value::Array(Vec::new()));
                };
                let items = arrays.value(row);
                let mut values =
                    (0..items.len()).map(|at| value(kind, &items, at)).collect::<Result<Vec<_>, _>>()?;
                values.retain(|value| !value.is_null());
                values.sort_by(json_order);
                Ok(lists.cut(values))
            }
            GroupOp::Min | GroupOp::Max if kind == Kind::DateTime => {
                Ok(match value(Kind::Text, column, row)? {
                    Value::String(stamp) => stamp.get(Stamp::DIGITS..).unwrap_or_default().into(),
                    other => other,
                })
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

/// A moment with its text, as a text that sorts by the moment first.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Stamp {
    signature: Signature,
}

impl Stamp {
    /// Digits before the text.
    const DIGITS: usize = 16;

    fn new() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Stamp {
    fn name(&self) -> &str {
        "moment_stamp"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue, DataFusionError> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let wrong = || DataFusionError::Internal("moment stamp: unexpected argument".into());
        let moments = arrays.first().and_then(|array| array.as_primitive_opt::<TimestampMillisecondType>());
        let texts = arrays.get(1).and_then(|array| array.as_string_view_opt());
        let (moments, texts) = (moments.ok_or_else(wrong)?, texts.ok_or_else(wrong)?);
        let stamps = moments.iter().zip(texts.iter()).map(|(moment, text)| {
            let ms = moment?;
            // Shifted, so that moments before 1970 sort first.
            let sortable = ms.cast_unsigned() ^ 1 << 63;
            let text = text.map_or_else(|| Timestamp(ms).to_string(), str::to_owned);
            Some(format!("{sortable:016x}{text}"))
        });
        Ok(ColumnarValue::Array(Arc::new(stamps.collect::<StringViewArray>())))
    }
}
