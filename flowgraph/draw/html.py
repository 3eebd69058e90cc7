"""A drawing as one self-contained page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flowgraph.draw.looks import LOOKS

if TYPE_CHECKING:
    from flowgraph.draw.model import Drawing

__all__ = ["page"]

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{ drawing.name }}</title>
<style>
body { font: 15px/1.5 Helvetica, Arial, sans-serif; margin: 2rem; color: #222; }
h1 { font-size: 1.4rem; }
.picture { overflow: auto; border: 1px solid #ddd; padding: 1rem; }
.legend span { display: inline-block; margin: 0.5rem 1rem 0.5rem 0; }
.legend i { display: inline-block; width: 1em; height: 1em; border: 1px solid;
  vertical-align: -2px; margin-right: 0.3em; }
table { border-collapse: collapse; margin-top: 1rem; }
th, td { text-align: left; padding: 0.2rem 1rem 0.2rem 0; border-bottom: 1px solid #eee; }
</style>
</head>
<body>
<h1>{{ drawing.name }}</h1>
<div class="picture">{{ svg }}</div>
<p class="legend">{% for kind, look in looks.items() -%}
<span><i style="background: {{ look.fill }}; border-color: {{ look.line }}"></i>
{{ kind }}: {{ look.meaning }}</span>
{% endfor %}
<br>Double lines: item by item. Dashed arrows: order only. Bold: an output.</p>
<table>
<tr><th>node</th><th>kind</th><th>options</th></tr>
{% for box in drawing.boxes %}<tr><td>{{ box.label }}</td><td>{{ box.kind }}</td>
<td>{{ box.detail }}</td></tr>
{% endfor %}</table>
</body>
</html>
"""


def page(drawing: Drawing, svg: str) -> str:
    """The page around a picture.

    Parameters
    ----------
    drawing : Drawing
        What the picture shows; the table has every node of it.
    svg : str
        The picture, an SVG document made by `flowgraph.draw.render`.
    """
    from jinja2 import Environment
    from markupsafe import Markup

    template = Environment(autoescape=True).from_string(_PAGE)
    kinds = {box.kind for box in drawing.boxes}
    looks = {kind: look for kind, look in LOOKS.items() if kind in kinds}
    inside = Markup(svg[svg.index("<svg") :])  # our own picture: its labels are escaped
    return template.render(drawing=drawing, svg=inside, looks=looks)
