"""Recursive-descent parser of the AIP-160 filter language (google.aip.dev/160).

As the standard has it OR binds tighter than AND, and words side by side are ANDed.
"""

from collections.abc import Callable

from chassis.filter.lexer import Token, TokenKind, text_of, tokenize
from chassis.filter.tree import (
    And,
    Call,
    Expression,
    FilterError,
    Not,
    Or,
    Restriction,
    Search,
    Text,
    shown,
)

DEPTH_MAX = 20
RESTRICTIONS_MAX = 100
ARGUMENTS_MAX = 4
_KEYWORDS = ("AND", "OR", "NOT")


def parse_filter(text: str) -> Expression | None:
    """The tree of a filter, None for an empty one; raises FilterError and nothing else."""
    tokens = tokenize(text)
    return None if len(tokens) == 1 else _Parser(tokens).filter()


class _Parser:
    """One pass over the tokens; a method per rule of the grammar, named as there."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._index = 0
        self._depth = 0
        self._restrictions = 0

    def filter(self) -> Expression:
        expression = self._expression()
        if self._token.kind is not TokenKind.END:
            raise self._unexpected("AND, OR or the end")
        return expression

    @property
    def _token(self) -> Token:
        return self._tokens[self._index]

    def _unexpected(self, wanted: str) -> FilterError:
        token = self._token
        found = "the end" if token.kind is TokenKind.END else shown(token.text)
        return FilterError(f"expected {wanted}, found {found}", token.position)

    def _next(self) -> Token:
        token = self._token
        self._index += 1
        return token

    def _skip_keyword(self, keyword: str) -> bool:
        found = self._token.kind is TokenKind.WORD and self._token.text == keyword
        self._index += found
        return found

    def _expression(self) -> Expression:
        """Sequences joined by AND; a sequence is one or more factors side by side."""
        terms = [self._factor()]
        while self._skip_keyword("AND") or self._at_term():
            terms.append(self._factor())
        return _joined(And, terms)

    def _at_term(self) -> bool:
        kind = self._token.kind
        if kind is TokenKind.WORD:
            return self._token.text not in ("AND", "OR")
        return kind in (TokenKind.STRING, TokenKind.OPEN)

    def _factor(self) -> Expression:
        terms = [self._term()]
        while self._skip_keyword("OR"):
            terms.append(self._term())
        return _joined(Or, terms)

    def _term(self) -> Expression:
        if self._skip_keyword("NOT"):
            return Not(self._simple())
        if self._token.kind is TokenKind.WORD and self._token.text.startswith("-"):
            self._skip_minus()
            return Not(self._simple())
        return self._simple()

    def _skip_minus(self) -> None:
        minus, following = self._tokens[self._index : self._index + 2]
        if len(minus.text) > 1:
            rest = Token(TokenKind.WORD, minus.text[1:], minus.position + 1)
            self._tokens[self._index] = rest
            return
        if following.position != minus.end:
            raise FilterError("'-' stands directly before what it negates", minus.position)
        self._index += 1

    def _simple(self) -> Expression:
        token = self._token
        if token.kind is TokenKind.OPEN:
            return self._composite()
        if token.kind is TokenKind.STRING:
            return self._search_or(self._refuse_quoted_field)
        if token.kind is not TokenKind.WORD or token.text in _KEYWORDS or token.text[0] == "-":
            raise self._unexpected("a field, a word or '('")
        return self._search_or(self._restriction)

    def _composite(self) -> Expression:
        opening = self._next()
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise FilterError(f"nested deeper than {DEPTH_MAX}", opening.position)
        expression = self._expression()
        if self._token.kind is not TokenKind.CLOSE:
            raise self._unexpected("')'")
        self._next()
        self._depth -= 1
        return expression

    def _search_or(self, restriction: Callable[[Token], Expression]) -> Expression:
        token = self._next()
        self._restrictions += 1
        if self._restrictions > RESTRICTIONS_MAX:
            raise FilterError(f"more than {RESTRICTIONS_MAX} restrictions", token.position)
        if self._at_call(token):
            raise FilterError("a function stands only after an operator", token.position)
        if self._token.kind is TokenKind.OPERATOR:
            return restriction(token)
        return Search(text_of(token), token.position)

    def _refuse_quoted_field(self, token: Token) -> Expression:
        raise FilterError("the field before an operator is not quoted", token.position)

    def _restriction(self, field: Token) -> Expression:
        operator = self._next()
        return Restriction(field.text, operator.text, self._value(), field.position)

    def _value(self) -> Text | Call:
        if self._token.kind not in (TokenKind.WORD, TokenKind.STRING):
            raise self._unexpected("a value")
        if self._token.text in _KEYWORDS:
            raise self._unexpected("a value (quote AND, OR and NOT)")
        token = self._next()
        return self._call(token) if self._at_call(token) else text_of(token)

    def _at_call(self, name: Token) -> bool:
        following = self._token
        adjacent = following.kind is TokenKind.OPEN and following.position == name.end
        return adjacent and name.kind is TokenKind.WORD

    def _call(self, name: Token) -> Call:
        self._next()
        arguments: list[Text] = []
        while self._token.kind is not TokenKind.CLOSE:
            if arguments and self._next().kind is not TokenKind.COMMA:
                raise FilterError("expected ',' or ')' after an argument", name.position)
            if self._token.kind not in (TokenKind.WORD, TokenKind.STRING):
                raise self._unexpected("an argument")
            arguments.append(text_of(self._next()))
            if len(arguments) > ARGUMENTS_MAX:
                raise FilterError(f"more than {ARGUMENTS_MAX} arguments", name.position)
        self._next()
        return Call(name.text, tuple(arguments), name.position)


def _joined(kind: type[And] | type[Or], terms: list[Expression]) -> Expression:
    return terms[0] if len(terms) == 1 else kind(tuple(terms))
