"""A folder of Parquet files described as Croissant 1.1, the JSON-LD vocabulary of MLCommons for data sets."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

OWN = "cf:training"
"""The key under which a manifest says what Croissant has no word for; plain JSON to any reader of JSON-LD."""
PARQUET = "application/x-parquet"
"""The name by which mlcroissant knows it; `application/vnd.apache.parquet` is registered, and it reads no such file."""
_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "arrayShape": "cr:arrayShape",
    "containedIn": "cr:containedIn",
    "description": {"@container": "@language"},
    "name": {"@container": "@language"},
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
    "cf": "urn:crypto-features:manifest:1#",
    OWN: {"@id": OWN, "@type": "@json"},
}
_TYPES: Mapping[type[pl.DataType], str] = {
    pl.Float64: "cr:Float64",
    pl.Float32: "cr:Float32",
    pl.Int64: "cr:Int64",
    pl.Int32: "cr:Int32",
    pl.Int8: "cr:Int8",
    pl.Boolean: "sc:Boolean",
    pl.String: "sc:Text",
    pl.Date: "sc:Date",
    pl.Datetime: "sc:DateTime",
}


def croissant(
    name: str,
    description: str,
    version: str,
    date: str,
    *,
    files: Sequence[Mapping[str, Any]],
    schema: pl.Schema,
    described: Mapping[str, str],
    own: Mapping[str, Any],
) -> dict[str, Any]:
    """The document.

    Args:
        name: Name of the data set.
        description: What it is for.
        version: Of the data set: a digest of its content.
        date: When it was made, as `2024-01-31`.
        files: `path`, `bytes` and `sha256` of each file.
        schema: Names and types of the columns of every file.
        described: What the columns hold, where that is known.
        own: What Croissant has no word for.
    """
    objects = [
        {
            "@type": "cr:FileObject",
            "@id": file["path"],
            "name": file["path"],
            "contentUrl": file["path"],
            "contentSize": f"{file['bytes']} B",
            "encodingFormat": PARQUET,
            "sha256": file["sha256"],
        }
        for file in files
    ]
    together = {
        "@type": "cr:FileSet",
        "@id": "rows",
        "name": "rows",
        "description": "One Parquet file for each month that has rows.",
        "encodingFormat": PARQUET,
        "includes": "data/*.parquet",
    }
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"row/{column}",
            "name": column,
            "description": described.get(column, column),
            **_typed(dtype),
            "source": {"fileSet": {"@id": "rows"}, "extract": {"column": column}},
        }
        for column, dtype in schema.items()
    ]
    return {
        "@context": dict(_CONTEXT),
        "@type": "sc:Dataset",
        "name": name,
        "description": description,
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "url": f"urn:crypto-features:training-set:{name}:{version}",
        "license": "None is declared: the source of the candles decides.",
        "version": f"1.0.0+{version[:12]}",
        "creator": {"@type": "sc:Organization", "name": "crypto-features"},
        "citeAs": f"{name}, training set {version}",
        "dateCreated": date,
        "datePublished": date,
        "isLiveDataset": False,
        "distribution": [together, *objects],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "row",
                "name": "row",
                "key": [{"@id": "row/symbol"}, {"@id": "row/event_timestamp"}],
                "field": fields,
            }
        ],
        OWN: dict(own),
    }


def _typed(dtype: pl.DataType) -> dict[str, Any]:
    if isinstance(dtype, pl.List):
        return {"dataType": _TYPES[type(dtype.inner)], "isArray": True, "arrayShape": "-1"}  # type: ignore[index] # a scalar's class.
    return {"dataType": _TYPES.get(type(dtype), "sc:Text")}
