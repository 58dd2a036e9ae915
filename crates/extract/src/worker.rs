//! The child's side: one document per process, so that no document's bytes are ever in the
//! memory of another's parser.

use crate::document::{Builder, Document};
use crate::error::Error;
use crate::limits::Limits;
use crate::media::MediaType;
use crate::protocol::{Event, Job, write_event, write_result};
use crate::source::{HtmlContent, Source};
use crate::{
    delimited, doc, docx, eml, epub, fork_server, html, markdown, odf, pdf, pptx, rtf, sandbox, sheet, text,
};
use std::io::{self, BufWriter, Read, Write};
use std::process::ExitCode;

/// What the tests put before the extraction, told by the file's name and the most pages to read.
#[doc(hidden)]
pub type Hook = fn(&str, u32, &[u8]) -> Option<Result<Document, Error>>;

/// Stack of the parsing thread, in bytes; parsers recurse on crafted nesting.
const STACK_BYTES: usize = 64 << 20;

/// Extracts a document in this process.
///
/// The parsers keep to `limits` where they can count; only a child process (see
/// [`crate::Pool`]) also survives their crashes, endless loops and hunger. One thread of a process reads PDFs: the
/// first that does, even when it has ended.
///
/// # Errors
/// A named [`Error`] whose text is fit for the uploader; [`Error::Worker`] for a PDF on a second thread.
pub fn extract(bytes: &[u8], name: &str, content_type: &str, limits: &Limits) -> Result<Document, Error> {
    extract_source(bytes, &Source { name, content_type, ..Source::default() }, limits)
}

/// As [`extract`], with all that is known of the bytes.
///
/// # Errors
/// A named [`Error`] whose text is fit for the uploader.
pub fn extract_source(bytes: &[u8], source: &Source<'_>, limits: &Limits) -> Result<Document, Error> {
    run(bytes, &Job::new(source, limits, 0), &mut |_| {})
}

fn run(bytes: &[u8], job: &Job, tell: &mut dyn FnMut(Event)) -> Result<Document, Error> {
    let limits = &job.limits;
    check_size("the file", bytes.len() as u64, limits.max_input_bytes)?;
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    let media = MediaType::sniff(bytes, &job.name, &job.content_type)?;
    if media.is_markup() {
        check_size("the text", bytes.len() as u64, limits.max_markup_bytes)?;
    }
    let mut builder = Builder::new(limits);
    builder.set_media(media);
    match media {
        MediaType::Pdf => pdf::extract(bytes, job, &mut builder, tell)?,
        MediaType::Docx => docx::extract(bytes, limits, &mut builder)?,
        MediaType::Doc => doc::extract(bytes, limits, &mut builder)?,
        MediaType::Rtf => rtf::extract(bytes, limits, &mut builder)?,
        MediaType::OpenDocument => odf::extract(bytes, limits, &mut builder)?,
        MediaType::Pptx => pptx::extract(bytes, limits, &mut builder)?,
        MediaType::Sheet => sheet::extract(bytes, limits, &mut builder)?,
        MediaType::Epub => epub::extract(bytes, limits, &mut builder)?,
        MediaType::Email => eml::extract(bytes, limits, &mut builder)?,
        MediaType::Csv => {
            let source = text::decode(bytes);
            if !delimited::extract(&source, &mut builder) {
                text::extract(&source, &mut builder);
            }
        }
        MediaType::Html => {
            let page = text::decode_html(bytes, &job.content_type);
            html::extract(&page, job.html, &job.url, limits, &mut builder);
        }
        MediaType::Markdown => {
            let mut source = text::decode(bytes);
            if job.name.to_ascii_lowercase().ends_with(".mdx") || job.content_type.starts_with("text/mdx") {
                source = markdown::without_mdx(&source);
            }
            markdown::extract(&source, &mut builder);
        }
        MediaType::Text => text::extract(&text::decode(bytes), &mut builder),
    }
    // Pages handed over as pictures may hold all there is.
    if builder.is_empty() && !(media == MediaType::Pdf && job.pictures > 0) {
        return Err(Error::Empty);
    }
    Ok(builder.finish())
}

fn check_size(what: &str, bytes: u64, limit: u64) -> Result<(), Error> {
    if bytes <= limit {
        return Ok(());
    }
    let limit = if limit >= 1 << 20 { format!("{} MB", limit >> 20) } else { format!("{limit} bytes") };
    Err(Error::TooLarge { what: what.to_owned(), limit })
}

/// Body of the hidden subcommand: a fork server whose children read one file each from standard input and write JSON
/// lines to standard output. Call it before any runtime or thread is started.
#[must_use]
pub fn worker_main() -> ExitCode {
    worker_main_with(|_, _, _| None)
}

/// [`worker_main`] with a say for the tests, which make it misbehave by name.
#[doc(hidden)]
#[must_use]
pub fn worker_main_with(hook: Hook) -> ExitCode {
    warm_up();
    fork_server::serve(move |job| {
        let parse = move || read(&job, hook);
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(parse);
        match thread.map(std::thread::JoinHandle::join) {
            Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    })
}

/// Loads what all children need: the code of the PDF library, while files may still be opened, and by reading a page of our own
/// what the readers of web pages make once.
fn warm_up() {
    const PAGE: &str = "<html><head><title>A page</title></head><body><nav><a href=/>Home</a></nav><article><h1>A page</h1>\
        <p>It has a paragraph that is long enough to be taken for what the page is about, and nothing else.</p>\
        <ul><li>One</li><li>Two</li></ul></article><footer>End</footer></body></html>";
    pdf::load_library(&Limits::default());
    let source = Source { name: "page.html", html: HtmlContent::Main, ..Source::default() };
    let _ = extract_source(PAGE.as_bytes(), &source, &Limits::default());
}

fn read(job: &Job, hook: Hook) -> io::Result<()> {
    let failures = sandbox::close(&job.limits, job.cpu_seconds());
    let mut out = BufWriter::new(io::stdout().lock());
    let mut bytes = Vec::new();
    // One byte over the limit is enough to see that it is passed.
    io::stdin().lock().take(job.limits.max_input_bytes + 1).read_to_end(&mut bytes)?;
    let result = match hook(&job.name, job.limits.max_pages, &bytes) {
        Some(result) => result,
        None => run(&bytes, job, &mut |event| {
            // A parent that no longer listens ends us at the next real line.
            let _ = write_event(&mut out, event);
        }),
    };
    for failure in failures {
        let _ = writeln!(io::stderr(), "sandbox: {failure}");
    }
    write_result(&mut out, result)
}
