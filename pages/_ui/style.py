"""The one style sheet of the app: what the theme's settings cannot say.

A constant without any data in it. Knows Streamlit's test ids and keys of the shell's
containers.
"""

from __future__ import annotations

import streamlit as st

_CSS = """
<style>
/* The page begins at its top. What floats there (running man, menu) needs no row of its own. */
[data-testid="stMainBlockContainer"] { padding: 1.1rem 2.5rem 4rem; }
[data-testid="stHeader"] { background: transparent; height: 2.5rem; min-height: 0;
  pointer-events: none; }
[data-testid="stHeader"] * { pointer-events: auto; }
.stApp:has([data-testid="stExpandSidebarButton"]) [data-testid="stMainBlockContainer"] {
  padding-top: 2.9rem; }
@media (max-width: 900px) { [data-testid="stMainBlockContainer"] { padding-left: 1.2rem;
  padding-right: 1.2rem; } }

/* Title, question and status line: one block. */
.st-key-page-head h1 { padding: 0; line-height: 1.2; }
.st-key-page-head { min-height: 4.2rem; padding-bottom: 0.35rem; margin-bottom: 0.15rem;
  border-bottom: 1px solid color-mix(in srgb, currentColor 14%, transparent); }
.st-key-page-head p, .st-key-page-head [data-testid="stMarkdownContainer"],
.st-key-page-head [data-testid="stCaptionContainer"] { margin-bottom: 0 !important; }

/* Sidebar: the app's name beside the button that folds it, links in groups, jobs at the bottom. */
[data-testid="stSidebarHeader"] { height: 2.6rem; margin-bottom: 0; }
[data-testid="stSidebarUserContent"] { margin-top: -1.9rem; padding-bottom: 1rem;
  min-height: calc(100vh - 2.6rem); display: flex; flex-direction: column; }
[data-testid="stSidebarUserContent"] > div { flex: 1; display: flex; flex-direction: column; }
[data-testid="stSidebarUserContent"] > div > [data-testid="stVerticalBlock"] { flex: 1;
  gap: 0.45rem; }
.st-key-sidebar-name { padding-right: 2.2rem; }
[class*="st-key-pages-"] { gap: 0 !important; }
[class*="st-key-pages-"] [data-testid="stPageLink-NavLink"] { margin: 0; height: 1.7rem;
  padding: 0 0.5rem; }
[class*="st-key-pages-"] [data-testid="stElementContainer"] { margin: 0; }
[class*="st-key-pages-"] [data-testid="stCaptionContainer"] { margin: 0.1rem 0 0; }
[class*="st-key-pages-"] p { margin-bottom: 0; }
[data-testid="stLayoutWrapper"]:has(> .st-key-sidebar-bottom) { margin-top: auto;
  padding-top: 0.5rem; }
.st-key-job-box { gap: 0.2rem !important; padding: 0.55rem 0.7rem !important; }
.st-key-job-box p { overflow-wrap: anywhere; }

/* On a phone a chart keeps a width at which it can be read, and scrolls inside its own place. */
@media (max-width: 640px) {
  [data-testid="stElementContainer"]:has([data-testid="stPlotlyChart"]) { overflow-x: auto; }
  [data-testid="stFullScreenFrame"]:has([data-testid="stPlotlyChart"]) { min-width: 620px; } }

/* Text on the accent and in it has a contrast of 4.5 at least, on dark too. */
[data-testid="stBaseButton-primary"]:not(:disabled):not(:hover),
[data-baseweb="tag"] { background-color: light-dark(#0072b2, #1f78b4) !important; }
[data-testid="stButtonGroup"] [data-selected="true"] {
  color: light-dark(#00609a, #6cb8e6) !important; }

/* Tables offer a CSV of their own, with cells such as =cmd() as they are: a spreadsheet would run
   them. The app's own downloads write such cells as text. */
[data-testid="stElementToolbarButton"]:has([aria-label^="Download as CSV"]),
[aria-label^="Download as CSV"] { display: none !important; }

/* Whoever works with the keyboard sees where he is, on light and on dark. */
:is(a, button, input, textarea, select, summary, [tabindex], [role]):focus-visible {
  outline: 2px solid #2683c1 !important; outline-offset: 2px; }
@media (prefers-reduced-motion: reduce) { *, *::before, *::after {
  animation-duration: 0.01ms !important; transition-duration: 0.01ms !important; } }
</style>
"""


def apply_style() -> None:
    """Send the style sheet with the page."""
    st.html(_CSS)
