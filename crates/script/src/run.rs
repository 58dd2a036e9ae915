//! One run: a fresh engine, the code in whichever form it came, its promise driven to the end, its
//! value as JSON.
//!
//! Invariant: nothing outlives [`run`]; every way a script can end has a name in [`Error`].

use crate::error::Error;
use crate::fetch::{FetchAnswer, FetchRequest};
use crate::prelude::PRELUDE;
use rquickjs::context::EvalOptions;
use rquickjs::promise::PromiseState;
use rquickjs::{Coerced, Context, Ctx, Exception, Function, Object, Promise, Runtime, Value};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The name scripts go by in stack traces.
const FILE: &str = "code";
/// Requests one run may make.
const MAX_FETCHES: usize = 50;
/// Longest error message kept, in characters.
const MAX_MESSAGE_CHARS: usize = 500;

/// What one run may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of script memory; at most 256 MB.
    pub memory_bytes: usize,
    /// Milliseconds from start to value, waiting for requests included.
    pub wall_ms: u64,
    /// Bytes of stack; at most 4 MB.
    pub stack_bytes: usize,
    /// Bytes of the value as JSON; at most 16 MB.
    pub output_bytes: usize,
}

impl Default for Limits {
    /// 64 MB, 2 minutes, 512 KB of stack, values up to 1 MB.
    fn default() -> Self {
        Self { memory_bytes: 64 << 20, wall_ms: 120_000, stack_bytes: 512 << 10, output_bytes: 1 << 20 }
    }
}

impl Limits {
    fn within_bounds(&self) -> Self {
        Self {
            memory_bytes: self.memory_bytes.clamp(1 << 20, 256 << 20),
            wall_ms: self.wall_ms.max(1),
            stack_bytes: self.stack_bytes.clamp(64 << 10, 4 << 20),
            output_bytes: self.output_bytes.min(16 << 20),
        }
    }
}

/// The way out of a run, when it has one.
pub(crate) trait Outside {
    /// Starts a request.
    fn send(&mut self, id: u32, request: FetchRequest) -> std::io::Result<()>;
    /// Waits for the next answer to any of them.
    fn wait(&mut self) -> std::io::Result<(u32, Result<FetchAnswer, String>)>;
}

/// What ended a run inside the engine.
enum Stop {
    /// An exception is pending, or the engine refused.
    Js(rquickjs::Error),
    Named(Error),
}

impl From<rquickjs::Error> for Stop {
    fn from(cause: rquickjs::Error) -> Self {
        Self::Js(cause)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Named(error)
    }
}

struct Run<'js> {
    ctx: Ctx<'js>,
    limits: Limits,
    deadline: Instant,
    interrupted: Rc<Cell<bool>>,
    finish: Function<'js>,
    settle: Function<'js>,
    method: Function<'js>,
    /// Requests the script made that were not sent yet.
    asked: Rc<RefCell<VecDeque<(u32, String)>>>,
}

/// Runs `code` on a row (a JSON object), hands the value as JSON to `done`, then clears up. What is
/// handed over first cannot be lost to a failure of the clearing.
pub(crate) fn run(
    code: &str,
    row: &str,
    limits: &Limits,
    outside: Option<&mut dyn Outside>,
    done: impl FnOnce(Result<String, Error>),
) {
    let limits = limits.within_bounds();
    if code.contains('\0') {
        let message = "the code holds a zero character; remove it".to_owned();
        return done(Err(Error::Syntax { message, line: None }));
    }
    let deadline = Instant::now() + Duration::from_millis(limits.wall_ms);
    let interrupted = Rc::new(Cell::new(false));
    let opened = Runtime::new().and_then(|runtime| {
        runtime.set_memory_limit(limits.memory_bytes);
        runtime.set_max_stack_size(limits.stack_bytes);
        let flag = Rc::clone(&interrupted);
        runtime.set_interrupt_handler(Some(Box::new(move || {
            flag.set(flag.get() || Instant::now() >= deadline);
            flag.get()
        })));
        let context = Context::full(&runtime)?;
        Ok((runtime, context))
    });
    let (runtime, context) = match opened {
        Ok(opened) => opened,
        Err(_) => return done(Err(Error::Unavailable)),
    };
    let result = context.with(|ctx| {
        let result = Run::open(&ctx, row, &limits, deadline, &interrupted, outside.is_some())
            .and_then(|run| run.value(code, outside));
        result.map_err(|stop| match stop {
            Stop::Named(error) => Some(error),
            Stop::Js(cause) => named(&ctx, &cause, &limits, &interrupted),
        })
    });
    done(result.map_err(|error| {
        error.unwrap_or_else(|| {
            let used = usize::try_from(runtime.memory_usage().malloc_size).unwrap_or(0);
            if used > limits.memory_bytes / 4 * 3 {
                return out_of_memory(&limits);
            }
            Error::Thrown { message: "the code threw a value that has no text".into(), line: None }
        })
    }));
}

fn out_of_memory(limits: &Limits) -> Error {
    Error::OutOfMemory { megabytes: (limits.memory_bytes >> 20) as u64 }
}

/// Gives a failure of the engine its name; `None` when what was thrown says nothing.
fn named(ctx: &Ctx<'_>, cause: &rquickjs::Error, limits: &Limits, flag: &Cell<bool>) -> Option<Error> {
    let thrown = ctx.catch();
    let timed_out = Error::TimedOut { limit_ms: limits.wall_ms };
    if flag.get() {
        return Some(timed_out);
    }
    if !matches!(cause, rquickjs::Error::Exception) {
        return Some(match cause {
            rquickjs::Error::Allocation => out_of_memory(limits),
            other => Error::Thrown { message: other.to_string(), line: None },
        });
    }
    let (message, line) = describe(&thrown);
    // Reading what was thrown runs code too.
    if flag.get() {
        return Some(timed_out);
    }
    let message = message?;
    Some(if message == "InternalError: out of memory" {
        out_of_memory(limits)
    } else if message.starts_with("RangeError: Maximum call stack")
        || message == "InternalError: stack overflow"
    {
        Error::StackOverflow
    } else if message.starts_with("SyntaxError") {
        Error::Syntax { message, line }
    } else {
        Error::Thrown { message, line }
    })
}

/// Text and line of what was thrown; no text when even making it fails.
fn describe(thrown: &Value<'_>) -> (Option<String>, Option<u32>) {
    let short = |text: String| text.chars().take(MAX_MESSAGE_CHARS).collect::<String>();
    let Some(error) = thrown.as_object().cloned().and_then(Exception::from_object) else {
        if thrown.is_null() {
            return (None, None);
        }
        let text = thrown.get::<Coerced<String>>().ok();
        return (text.map(|text| short(format!("thrown: {}", text.0))), None);
    };
    let name = error.get::<_, Coerced<String>>("name").map_or_else(|_| "Error".to_owned(), |name| name.0);
    let message = error.message().unwrap_or_default();
    let text = if message.is_empty() { name } else { format!("{name}: {message}") };
    (Some(short(text)), error.stack().as_deref().and_then(line_of))
}

/// The first line number of the script that a stack trace names.
fn line_of(stack: &str) -> Option<u32> {
    let at = stack.match_indices(&format!("{FILE}:")).find(|(at, _)| {
        let before = stack.get(..*at).and_then(|text| text.chars().next_back());
        before.is_none_or(|c| c == '(' || c == ' ')
    })?;
    let rest = stack.get(at.0 + FILE.len() + 1..)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

impl<'js> Run<'js> {
    fn open(
        ctx: &Ctx<'js>,
        row: &str,
        limits: &Limits,
        deadline: Instant,
        interrupted: &Rc<Cell<bool>>,
        may_fetch: bool,
    ) -> Result<Self, Stop> {
        let asked: Rc<RefCell<VecDeque<(u32, String)>>> = Rc::default();
        let prelude: Function<'js> = ctx.eval(PRELUDE)?;
        let send = may_fetch.then(|| {
            let asked = Rc::clone(&asked);
            Function::new(ctx.clone(), move |id: u32, request: String| {
                asked.borrow_mut().push_back((id, request));
            })
        });
        let tools: Object<'js> = prelude.call((row, send.transpose()?))?;
        Ok(Self {
            ctx: ctx.clone(),
            limits: limits.clone(),
            deadline,
            interrupted: Rc::clone(interrupted),
            finish: tools.get("finish")?,
            settle: tools.get("settle")?,
            method: tools.get("method")?,
            asked,
        })
    }

    fn value(&self, code: &str, mut outside: Option<&mut dyn Outside>) -> Result<String, Stop> {
        let first = self.start(code, &mut outside)?;
        let promise: Promise<'js> = self.finish.call((first,))?;
        let value = self.drive(&promise, &mut outside)?;
        if let Some(number) = value.as_float()
            && !number.is_finite()
        {
            let value = if number.is_nan() { "NaN" } else { "Infinity" }.to_owned();
            return Err(Error::NotANumber { value }.into());
        }
        let json = match self.ctx.json_stringify(value)? {
            Some(json) => json.to_string()?,
            None => "null".to_owned(),
        };
        if json.len() > self.limits.output_bytes {
            return Err(Error::TooLarge { bytes: json.len(), limit: self.limits.output_bytes }.into());
        }
        Ok(without_lone_surrogates(json))
    }

    /// Compiles and starts the code in the first form it fits: an expression, a script whose last
    /// statement is the value, the body of a function, a method of an object.
    fn start(&self, code: &str, outside: &mut Option<&mut dyn Outside>) -> Result<Value<'js>, Stop> {
        if let Some(promise) = self.compile(format!("({code}\n)"))? {
            return self.completion(&promise, outside);
        }
        if let Some(promise) = self.compile(code.to_owned())? {
            return self.completion(&promise, outside);
        }
        let script_error = self.ctx.catch();
        if let Some(promise) = self.compile(format!("(async function (row) {{{code}\n}})"))? {
            return self.completion(&promise, outside);
        }
        let body_error = self.ctx.catch();
        if let Some(promise) = self.compile(format!("({{{code}\n}})"))? {
            let object = self.completion(&promise, outside)?;
            return Ok(self.method.call((object,))?);
        }
        let error = if code.contains("return") { body_error } else { script_error };
        Err(Stop::Js(self.ctx.throw(error)))
    }

    /// Starts a text; `None` when it does not compile, with the reason pending.
    fn compile(&self, source: String) -> Result<Option<Promise<'js>>, Stop> {
        let mut options = EvalOptions::default();
        options.strict = false;
        options.promise = true;
        options.filename = Some(FILE.to_owned());
        // With `promise` set, what the code throws while it runs rejects the promise: an exception
        // here means that it did not compile.
        match self.ctx.eval_with_options(source, options) {
            Ok(promise) => Ok(Some(promise)),
            Err(rquickjs::Error::Exception) if !self.interrupted.get() => {
                let thrown = self.ctx.catch();
                let name = thrown.as_object().and_then(|error| error.get::<_, String>("name").ok());
                let syntax = name.as_deref() == Some("SyntaxError");
                let again = self.ctx.throw(thrown);
                if syntax { Ok(None) } else { Err(Stop::Js(again)) }
            }
            Err(other) => Err(Stop::Js(other)),
        }
    }

    fn completion(
        &self,
        promise: &Promise<'js>,
        outside: &mut Option<&mut dyn Outside>,
    ) -> Result<Value<'js>, Stop> {
        let done = self.drive(promise, outside)?;
        match done.as_object() {
            Some(done) => Ok(done.get("value")?),
            None => Ok(done),
        }
    }

    /// Runs jobs, and waits for requests, until a promise settles.
    fn drive(
        &self,
        promise: &Promise<'js>,
        outside: &mut Option<&mut dyn Outside>,
    ) -> Result<Value<'js>, Stop> {
        let timed_out = || Stop::Named(Error::TimedOut { limit_ms: self.limits.wall_ms });
        let mut open_requests = 0_usize;
        let mut requests = 0_usize;
        loop {
            if self.interrupted.get() || Instant::now() >= self.deadline {
                return Err(timed_out());
            }
            if promise.state() != PromiseState::Pending {
                return match promise.result() {
                    Some(result) => Ok(result?),
                    None => Err(Error::NeverSettles.into()),
                };
            }
            if self.ctx.execute_pending_job() {
                continue;
            }
            let gone = |_: std::io::Error| Error::Unavailable;
            let Some(outside) = outside else { return Err(Error::NeverSettles.into()) };
            while let Some((id, request)) = self.take_request() {
                requests += 1;
                if requests > MAX_FETCHES {
                    let message = format!("more than {MAX_FETCHES} requests in one run");
                    return Err(Error::Thrown { message, line: None }.into());
                }
                let request = serde_json::from_str(&request).map_err(|e| gone(e.into()))?;
                outside.send(id, request).map_err(gone)?;
                open_requests += 1;
            }
            if open_requests == 0 {
                return Err(Error::NeverSettles.into());
            }
            let (id, answer) = outside.wait().map_err(gone)?;
            open_requests -= 1;
            let (ok, text) = match answer {
                Ok(answer) => (true, serde_json::to_string(&answer).unwrap_or_default()),
                Err(text) => (false, text),
            };
            self.settle.call::<_, ()>((id, ok, text))?;
        }
    }

    fn take_request(&self) -> Option<(u32, String)> {
        self.asked.borrow_mut().pop_front()
    }
}

/// JavaScript text may hold half a character (`'😀'.slice(0, 1)`), JSON for others may not.
fn without_lone_surrogates(json: String) -> String {
    if !json.contains("\\ud") {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some(at) = rest.find('\\') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let escape_len = if from.starts_with("\\u") { 6 } else { 2 };
        let (escape, after) = from.split_at_checked(escape_len).unwrap_or((from, ""));
        // Whole characters are never escaped, so every surrogate escape is a lone one.
        let lone =
            escape.get(2..4).is_some_and(|hex| ("d8".."e0").contains(&hex)) && escape.starts_with("\\u");
        out.push_str(if lone { "\u{fffd}" } else { escape });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_characters_become_replacement_characters() {
        let given = r#""a\ud83dz \\ud83d \n \udfff""#.to_owned();
        assert_eq!(without_lone_surrogates(given), "\"a\u{fffd}z \\\\ud83d \\n \u{fffd}\"");
    }

    #[test]
    fn lines_are_those_of_the_script() {
        assert_eq!(line_of("    at f (code:3:5)\n    at code:9:1"), Some(3));
        assert_eq!(line_of("    at decode:3:5\n"), None);
        assert_eq!(line_of("    at code:12\n"), Some(12));
    }
}
