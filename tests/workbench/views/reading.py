"""What a reader of a card sees."""

from html.parser import HTMLParser


class Words(HTMLParser):
    """The words that a reader sees, and the tags; fails where tags are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words, self.tags, self._open = "", [], []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag != "rect":
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" not in self._open:
            self.words += f"{data} "


def words(value: object) -> str:
    return " ".join(Words(value._repr_html_()).words.split())
