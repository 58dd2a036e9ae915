//! The file of an import as it goes over the wire: renamed columns, compressed when it is large.

use flate2::Compression;
use flate2::write::GzEncoder;
use quarry_transfer::{Column, Format, Kind, ReadOptions, Reader, RowWriter, WriteOptions, infer};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Below this a file is sent as it is.
const SMALL_BYTES: u64 = 1 << 20;

/// Bytes to send.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) file: File,
    pub(super) size: u64,
    /// Ending of its key, which tells the server the format.
    pub(super) extension: String,
    pub(super) media_type: &'static str,
}

/// How the file is read here.
#[derive(Debug, Clone)]
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) format: Option<Format>,
}

impl Source<'_> {
    pub(super) fn open(&self) -> Result<Reader, String> {
        let name = self.path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let options = ReadOptions { name, format: self.format, ..ReadOptions::default() };
        Reader::open(self.file()?, &options).map_err(|cause| self.wrong(&cause))
    }

    fn file(&self) -> Result<File, String> {
        File::open(self.path).map_err(|cause| self.wrong(&cause))
    }

    pub(super) fn wrong(&self, cause: &dyn std::fmt::Display) -> String {
        format!("{}: {cause}", self.path.display())
    }

    /// Makes the file ready to send.
    pub(super) fn pack(&self, format: Format, renames: &BTreeMap<String, String>) -> Result<Parcel, String> {
        let mut file = self.file()?;
        let size = file.metadata().map_err(|cause| self.wrong(&cause))?.len();
        let mut magic = Vec::new();
        (&mut file).take(2).read_to_end(&mut magic).map_err(|cause| self.wrong(&cause))?;
        let is_gzip = magic == [0x1F, 0x8B];
        if renames.is_empty() && (is_gzip || size < SMALL_BYTES) {
            file.seek(SeekFrom::Start(0)).map_err(|cause| self.wrong(&cause))?;
            let gzip = if is_gzip { ".gz" } else { "" };
            let media_type = if is_gzip { "application/gzip" } else { format.media_type() };
            return Ok(Parcel { file, size, extension: format!("{}{gzip}", format.name()), media_type });
        }
        let packed = if renames.is_empty() { self.compressed()? } else { self.renamed(format, renames)? };
        let (mut file, format) = match packed {
            (file, None) => (file, format),
            (file, Some(format)) => (file, format),
        };
        let size = file.seek(SeekFrom::End(0)).map_err(|cause| self.wrong(&cause))?;
        file.seek(SeekFrom::Start(0)).map_err(|cause| self.wrong(&cause))?;
        let extension = format!("{}.gz", format.name());
        Ok(Parcel { file, size, extension, media_type: "application/gzip" })
    }

    fn compressed(&self) -> Result<(File, Option<Format>), String> {
        let scratch = tempfile::tempfile().map_err(|cause| self.wrong(&cause))?;
        let mut encoder = GzEncoder::new(scratch, Compression::new(3));
        std::io::copy(&mut self.file()?, &mut encoder).map_err(|cause| self.wrong(&cause))?;
        let mut file = encoder.finish().map_err(|cause| self.wrong(&cause))?;
        file.flush().map_err(|cause| self.wrong(&cause))?;
        Ok((file, None))
    }

    /// Writes the rows again under the new names, their values to the letter.
    fn renamed(
        &self,
        format: Format,
        renames: &BTreeMap<String, String>,
    ) -> Result<(File, Option<Format>), String> {
        let (format, kind) = match format {
            Format::Csv => (Format::Csv, Kind::String),
            _ => (Format::Ndjson, Kind::Any),
        };
        let mut reader = self.open()?;
        let names: Vec<String> = match format {
            Format::Csv => reader.header().into_iter().map(str::to_owned).collect(),
            _ => {
                let found = infer(&mut self.open()?, None).map_err(|cause| self.wrong(&cause))?;
                found.columns.into_iter().map(|column| column.name).collect()
            }
        };
        if let Some(unknown) = renames.keys().find(|name| !names.contains(name)) {
            return Err(format!("--rename {unknown}: the file has no such column"));
        }
        let renamed = |name: &String| renames.get(name).unwrap_or(name).clone();
        let columns = names.iter().map(|name| Column::new(renamed(name), kind)).collect();
        let scratch = tempfile::tempfile().map_err(|cause| self.wrong(&cause))?;
        let options = WriteOptions { format, compress: true, columns, table: None };
        let mut writer = RowWriter::new(scratch, options).map_err(|cause| self.wrong(&cause))?;
        while let Some(row) = reader.next_row().map_err(|cause| self.wrong(&cause))? {
            let row = row.map_err(|cause| self.wrong(&cause))?;
            let values = row.values.into_iter().map(|(name, value)| (renamed(&name), value)).collect();
            writer.write(&values).map_err(|cause| self.wrong(&cause))?;
        }
        let file = writer.finish().map_err(|cause| self.wrong(&cause))?;
        Ok((file, Some(format)))
    }
}
