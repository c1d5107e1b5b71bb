"""The known sets of time series, and of numeric sequences with labels."""

from __future__ import annotations

from timesteps.data.dataset import Dataset, SeriesForm, Stored
from timesteps.runtime.series.series import Columns

__all__ = ["SERIES"]

#: Columns of the Case-Shiller file that are 100 in January 2000, as each index is by definition; the others are shifted
#: in time. Its header does not fit, so they go by their places after the date.
_IN_TIME = tuple(f"index {place}" for place in (2, 4, 5, 6, 9, 10, 11, 12, 13, 14, 16, 17, 19, 20, 21, 23))
_BIS = "Bank for International Settlements, selected residential property prices, real index 2010 = 100"
_BIS_LICENCE = "free use with the source named (BIS)"
_CASE_SHILLER = (
    "case-shiller: the source's header does not fit its columns, which are numbered here; of the 23, the 16 that are "
    "100 in January 2000 are read, the others are shifted in time"
)
_AEON = "https://www.timeseriesclassification.com"


def _official(name: str) -> dict[str, tuple[Stored, ...]]:
    """The two parts of a set of aeon's archive."""
    return {
        part: tuple(Stored(f"{name}_{part.upper()}.ts{suffix}") for suffix in ("", ".xz", ".gz"))
        for part in ("train", "test")
    }


def _sequences(
    name: str, file: str, what: str, citation: str, rows: dict[str, int], *, bundled: bool = False
) -> Dataset:
    return Dataset(
        name=name,
        what=what + (", bundled" if bundled else ""),
        languages=(),
        licence="BSD 3-Clause, as a part of aeon",
        citation=citation,
        home=_AEON,
        rows=rows,
        parts=_official(file),
        kind="sequences",
        folder="aeon_ts",
        bundled=bundled,
    )


SERIES: tuple[Dataset, ...] = (
    Dataset(
        name="house-prices",
        what="real house prices of six countries by quarter, to 2025, bundled",
        languages=(),
        licence=_BIS_LICENCE,
        citation=_BIS,
        home="https://data.bis.org/topics/RPP",
        rows={"train": 1_391},
        parts={"train": (Stored("house_prices_bis_real_index_KR_US_FR_JP_GB_DE.csv.gz"),)},
        kind="series",
        series=SeriesForm(Columns(("price",), "date", "country"), 4),
        bundled=True,
    ),
    Dataset(
        name="case-shiller",
        what="16 indices of house prices in American cities (which, is not known) by month, 1987 to 2011, bundled",
        languages=(),
        licence="ODC-PDDL 1.0",
        citation="S&P/Case-Shiller home price indices, not seasonally adjusted",
        home="https://github.com/datasets/house-prices-us",
        rows={"train": 295},
        parts={"train": (Stored("house_prices_us_pddl_month.csv.gz", note=_CASE_SHILLER),)},
        kind="series",
        # A city whose index begins later has 0.000, or nothing, in the months before.
        series=SeriesForm(
            Columns(_IN_TIME, "Date"),
            12,
            separate=True,
            missing_values=("0",),
            header=("Date", *(f"index {place}" for place in range(1, 24))),
        ),
        bundled=True,
    ),
    Dataset(
        name="stocks",
        what="closing prices of AAPL and IBM by business day, 2000 to 2013, bundled",
        languages=(),
        licence="public domain",
        citation="daily prices as in bokeh_sampledata",
        home="https://github.com/bokeh/bokeh_sampledata",
        rows={"train": 6_540},
        parts={"train": (Stored("stocks_pd_AAPL_IBM_2000_2013.csv.gz"),)},
        kind="series",
        series=SeriesForm(Columns(("Adj Close",), "Date", "Ticker"), 5),
        bundled=True,
    ),
    Dataset(
        name="stocks-five",
        what="the same of AAPL, IBM, MSFT, GOOG and FB",
        languages=(),
        licence="public domain",
        citation="daily prices as in bokeh_sampledata",
        home="https://github.com/bokeh/bokeh_sampledata",
        rows={"train": 12_154},
        parts={"train": (Stored("bokeh_stocks.csv.xz"), Stored("bokeh_stocks.csv"))},
        kind="series",
        series=SeriesForm(Columns(("Adj Close",), "Date", "Ticker"), 5),
        folder="stocks",
    ),
    Dataset(
        name="house-prices-world",
        what="real house prices of 61 countries and regions by quarter, to 2025",
        languages=(),
        licence=_BIS_LICENCE,
        citation=_BIS,
        home="https://data.bis.org/topics/RPP",
        rows={"train": 8_965},
        parts={"train": (Stored("real_index.csv.xz"), Stored("real_index.csv"))},
        kind="series",
        series=SeriesForm(Columns(("price",), "date", "country"), 4),
        folder="house_prices_bis",
    ),
    Dataset(
        name="house-prices-us",
        what="house prices of the United States by month, 1975 to 2024",
        languages=(),
        licence="ODC-PDDL 1.0",
        citation="S&P/Case-Shiller home price index",
        home="https://github.com/datasets/house-prices-us",
        rows={"train": 595},
        parts={"train": (Stored("national-month.csv.xz"), Stored("national-month.csv"))},
        kind="series",
        series=SeriesForm(Columns(("National-US",), "Date"), 12),
        folder="house_prices_us",
    ),
    Dataset(
        name="etth1",
        what="load and oil temperature of a transformer by hour, seven columns, 2016 to 2018",
        languages=(),
        licence="CC BY-ND 4.0",
        citation="Zhou et al. 2021, Informer, arXiv:2012.07436",
        home="https://github.com/zhouhaoyi/ETDataset",
        rows={"train": 17_420},
        parts={"train": (Stored("ETTh1.csv"), Stored("ETTh1.csv.xz"))},
        kind="series",
        series=SeriesForm(Columns(("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"), "date"), 24),
        folder="ETT",
    ),
    _sequences(
        "basic-motions",
        "BasicMotions",
        "four movements of people with a watch, six sensors, 100 steps",
        "Clements 2017, BasicMotions, UEA multivariate archive (Bagnall et al. 2018, arXiv:1811.00075)",
        {"train": 40, "test": 40},
        bundled=True,
    ),
    _sequences(
        "japanese-vowels",
        "JapaneseVowels",
        "nine speakers of two vowels, 12 cepstral coefficients, 7 to 29 steps",
        "Kudo, Toyama and Shimbo 1999, Multidimensional curve classification using passing-through regions",
        {"train": 270, "test": 370},
    ),
    _sequences(
        "gun-point",
        "GunPoint",
        "hands that draw a gun or point, one number a step, 150 steps",
        "Ratanamahatana and Keogh 2005, UCR archive",
        {"train": 50, "test": 150},
    ),
    _sequences(
        "italy-power-demand",
        "ItalyPowerDemand",
        "days of winter or summer by their demand for power, 24 steps",
        "Keogh et al. 2006, UCR archive",
        {"train": 67, "test": 1_029},
    ),
)
