//! The planned path: a snapshot as a DataFusion table, one shared session.

use super::group::{Group, UniqueLists, cost, direct_groups};
use super::pool;
use super::scan::{batch_of, schema_of};
use crate::Error;
use crate::api::Row;
use crate::filter::{Filter, Slot, expr_of};
use crate::view::Snapshot;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::buffer::{BooleanBuffer, Buffer};
use arrow::compute::filter_record_batch;
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionConfig;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes all running plans together may hold.
const PLAN_MEMORY_BYTES: usize = 512 * 1024 * 1024;
/// Work up to this many comparisons (about 0.2 ms) is done on the calling thread: a hop costs more
/// than it saves.
const INLINE_COST: usize = 200_000;
/// Tables up to this size are planned and run on the calling thread.
const INLINE_ROWS: usize = 4_096;

/// Runs plans; bounds how many heavy queries run at once.
pub(crate) struct Engine {
    state: SessionState,
    permits: Semaphore,
}

impl Engine {
    pub(crate) fn new() -> Self {
        let config = SessionConfig::new().with_target_partitions(1).with_batch_size(8_192);
        let mut builder = SessionStateBuilder::new().with_config(config);
        if let Ok(runtime) = RuntimeEnvBuilder::new().with_memory_limit(PLAN_MEMORY_BYTES, 1.0).build_arc() {
            builder = builder.with_runtime_env(runtime);
        }
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self { state: builder.build(), permits: Semaphore::new(cores) }
    }

    pub(crate) async fn permit(&self) -> Result<SemaphorePermit<'_>, Error> {
        self.permits.acquire().await.map_err(|_| Error::Internal("the query pool is closed".into()))
    }

    /// The groups of the rows a filter matches, with warnings.
    pub(crate) async fn groups(
        &self,
        snapshot: &Arc<Snapshot>,
        filter: &Filter,
        group: Group,
        page: (usize, usize),
    ) -> Result<(Vec<Row>, Vec<String>), Error> {
        let group = Arc::new(group);
        let mut lists = UniqueLists::default();
        let direct = {
            let (group, filter, snapshot) = (Arc::clone(&group), filter.clone(), Arc::clone(snapshot));
            let cost = cost(&group, &filter, &snapshot);
            self.work(cost, move || {
                let mut lists = UniqueLists::default();
                let rows = direct_groups(&group, &filter, &snapshot, page, &mut lists);
                Ok((rows, lists))
            })
            .await?
        };
        if let (Some(rows), lists) = direct {
            return Ok((rows, lists.warnings()));
        }
        let rows = self.planned_groups(snapshot, filter, &group, page, &mut lists).await?;
        Ok((rows, lists.warnings()))
    }

    /// As [`Engine::groups`], by a plan.
    pub(crate) async fn planned_groups(
        &self,
        snapshot: &Snapshot,
        filter: &Filter,
        group: &Group,
        (offset, limit): (usize, usize),
        lists: &mut UniqueLists,
    ) -> Result<Vec<Row>, Error> {
        let mut slots = BTreeSet::new();
        let parts = group.expressions(&mut slots);
        let input = scan(snapshot, filter, slots)?;
        let mut plan = LogicalPlanBuilder::from(input).aggregate(parts.keys, parts.aggregates)?;
        // One row needs no order, and the planner knows none of no expressions.
        if !parts.order.is_empty() {
            plan = plan.sort(parts.order)?;
        }
        let plan = plan.limit(offset, Some(limit))?.build()?;
        let batches = self.run(plan, snapshot.rows).await?;
        group.rows(&batches, lists)
    }

    /// Runs work of some cost (in comparisons) where it blocks nobody.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        cost: usize,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        if cost <= INLINE_COST {
            // An async thread must not wait for the pool.
            return pool::alone(work);
        }
        let _permit = self.permit().await?;
        tokio::task::spawn_blocking(work).await?
    }

    pub(crate) async fn run(&self, plan: LogicalPlan, rows: usize) -> Result<Vec<RecordBatch>, Error> {
        let state = self.state.clone();
        let work = async move {
            let physical = state.create_physical_plan(&plan).await?;
            Ok::<_, Error>(collect(physical, state.task_ctx()).await?)
        };
        if rows <= INLINE_ROWS {
            return work.await;
        }
        let _permit = self.permit().await?;
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || runtime.block_on(work)).await?
    }
}

/// The filtered rows of a snapshot as the input of a plan, with these columns and the filter's.
pub(crate) fn scan(
    snapshot: &Snapshot,
    filter: &Filter,
    mut slots: BTreeSet<Slot>,
) -> Result<LogicalPlan, Error> {
    let everything = matches!(filter, Filter::All(parts) if parts.is_empty());
    let condition = expr_of(filter, &mut slots);
    let schema = schema_of(&slots);
    let slots: Vec<Slot> = slots.into_iter().collect();
    let mut batches = Vec::new();
    for slab in snapshot.slabs() {
        let batch = batch_of(&slab.block, &slots, &schema)?;
        batches.push(match slab.alive_words() {
            None => batch,
            Some(words) => {
                let alive = BooleanBuffer::new(Buffer::from_vec(words.to_vec()), 0, slab.block.len());
                filter_record_batch(&batch, &BooleanArray::new(alive, None))?
            }
        });
    }
    let table = MemTable::try_new(schema, vec![batches])?;
    let mut plan = LogicalPlanBuilder::scan("rows", provider_as_source(Arc::new(table)), None)?;
    if !everything {
        plan = plan.filter(condition)?;
    }
    Ok(plan.build()?)
}
