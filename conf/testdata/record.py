# -*- coding: utf-8 -*-
# Writes syntax.json: what Python 2.7's RawConfigParser makes of odd files. Run with python2.7 in this directory.
# Bytes are written as the characters U+0000 to U+00FF of the same number. With the argument "serve" it answers files
# that come on standard input instead, each behind its length: four bytes, the highest first.
import ConfigParser, StringIO, json, struct, sys

H = '[S]\n'
files = [
    ('empty', ''), ('only newlines', '\n\n\r\n'), ('only comments', '# a\n; b\nrem c\nREM d\n'),
    ('one section, nothing in it', '[S]'), ('equals sign', H + 'k = v\n'), ('colon', H + 'k: v\n'),
    ('no blanks', H + 'k=v\n'), ('tabs', H + 'k\t=\tv\t\n'), ('form feed and vertical tab', H + 'k\x0b=\x0cv\x0c\x0b\n'),
    ('colon before equals', H + 'a:b=c\n'), ('equals before colon', H + 'a=b:c\n'), ('two equals', H + 'k == v\n'),
    ('colon equals', H + 'k := v\n'), ('blank in the key', H + 'two words = v\n'), ('key in capitals', H + 'KeY = VaL\n'),
    ('key of letters outside ASCII', H + 'Schl\xc3\x9cssel = v\n'), ('key of a dash', H + '- = a\n- = b\n'),
    ('key in double quotes', H + '"k" = v\n'), ('key in backquotes', H + '`k` = v\n'), ('key with a backquote', H + '`k = v\n'),
    ('key in brackets', H + '[] = v\n'), ('unclosed bracket is a key', H + '[x = v\n'), ('key with a hash', H + 'k# = v\n'),
    ('key of percent escapes', H + '%2D%zz = v\n'), ('key with a NUL', H + 'a\x00b = v\n'), ('key __name__', H + '__name__ = v\nk = w\n'),
    ('empty value', H + 'k =\nl = \nm:\n'), ('empty value, then a key', H + 'k =\nl = 2\n'),
    ('two double quotes', H + 'k = ""\n'), ('two single quotes', H + "k = ''\n"), ('three double quotes', H + 'k = """\n'),
    ('a text in three double quotes', H + 'k = """a\nl = b"""\n'), ('double quotes', H + 'k = "v"\n'),
    ('single quotes', H + "k = 'v'\n"), ('backquotes', H + 'k = `v`\nl = `open\nm = 2\n'),
    ('escaped quotes', H + 'k = "a\\"b"\n'), ('quotes with a comment', H + 'k = "" ; c\n'),
    ('backslash at the end', H + 'k = a\\\nl = b\n'), ('backslashes inside', H + 'k = a\\n\\t\\;\\#\n'),
    ('percent', H + 'k = %(l)s %s %%\nl = 1\n'), ('dollar', H + 'k = ${l} $l\nl = 1\n'),
    ('semicolon after a blank', H + 'k = a ; b\n'), ('semicolon after a tab', H + 'k = a\t; b\n'),
    ('semicolon without a blank', H + 'k = a;b\n'), ('only the first semicolon counts', H + 'k = a;b ; c\n'),
    ('two comments', H + 'k = a ; b ; c\n'), ('semicolon first', H + 'k = ;a\n'), ('semicolon first, blank at the end', H + 'k = ;a \n'),
    ('semicolon first, CR LF', H + 'k = ;a\r\n'), ('semicolon first, no newline', H + 'k = ;a'), ('semicolon alone', H + 'k = ;\n'),
    ('semicolon first, another later', H + 'k = ;a ;b\n'), ('colon and semicolon', H + 'k: a ; b\n'),
    ('hash after a blank', H + 'k = a # b\n'), ('hash first', H + 'k = # b\n'), ('hash then semicolon', H + 'k = a # b ; c\n'),
    ('semicolon then hash', H + 'k = a ; b # c\n'), ('comment before the sections', '# c\n; d\n\n' + H + 'k = v\n'),
    ('rem with an option', H + 'rem = 1\nremark = 2\nrem\nREM x = y\nrem: 3\n'), ('indented rem', H + 'k = v\n rem more\n'),
    ('form feed first', H + 'k = v\n\x0cmore\n'),
    ('continuation', H + 'k = a\n b\n\tc\n'), ('continuation of nothing', H + 'k =\n b\n'),
    ('continuation after an empty line', H + 'k = a\n\n b\n'), ('continuation after a comment', H + 'k = a\n# c\n b\n'),
    ('continuation that looks like a key', H + 'k = a\n l = b\n'), ('continuation that looks like a section', H + 'k = a\n [T]\nl = b\n'),
    ('continuation with a comment', H + 'k = a\n b ; c\n d # e\n ; f\n # g\n'), ('continuation of a comment line', H + 'k = a ; b\n c\n'),
    ('continuation in quotes', H + 'k = ""\n ""\n'), ('line of blanks is none', H + 'k = a\n   \n b\n'),
    ('continuation after a bad line', H + 'k = a\nbad\n b\n'), ('indented first option', H + ' k = v\n'),
    ('continuation in another section', '[S]\nk = a\n[T]\n b = c\n'), ('continuation before the sections', ' a\n[S]\n'),
    ('no delimiter', H + 'word\n'), ('no delimiter, more words', H + 'k v\nl = 1\nm n\n'), ('delimiter first', H + '= v\n: w\n'),
    ('text before the sections', 'k = v\n[S]\nl = 1\n'), ('indented section first', ' [S]\nk = v\n'),
    ('text behind the bracket', '[S] text = 1 ; c\nk = v\n'), ('blanks in the brackets', '[ S ]\nk = v\n'),
    ('empty brackets', '[]\nk = v\n'), ('empty brackets in a section', H + '[]\nk = v\n'), ('bracket in brackets', '[[S]]\nk = v\n'),
    ('section of several words', '[a b.c]\nk = v\n'), ('child section', '[a]\nk = 1\nm = 2\n[a.b]\nl = 3\n'),
    ('comment sign in the section', '[#a;b]\nk = v\n'), ('section names are exact', '[s]\nk = 1\n[S]\nk = 2\n'),
    ('key twice', H + 'k = a\nk = b\n'), ('key twice in other letters', H + 'k = a\nK = b\n'), ('key twice, continued', H + 'k = a\n b\nk = c\n d\n'),
    ('section twice', '[S]\nk = 1\nl = 1\n[T]\nk = 3\n[S]\nk = 2\n'),
    ('DEFAULT', '[DEFAULT]\nk = d\nl = d\n[S]\nk = s\n'), ('DEFAULT at the end', '[S]\nk = s\n[DEFAULT]\nl = d\n'),
    ('DEFAULT twice', '[DEFAULT]\nk = 1\n[S]\n[DEFAULT]\nk = 2\n more\n'), ('default in small letters', '[default]\nk = d\n[S]\n'),
    ('CR LF', '[S]\r\nk = a\r\n b\r\nl =\r\nm = "" \r\n'), ('CR alone', '[S]\rk = a\rl = b\r'), ('CR inside', H + 'k = a\rb\n'),
    ('no newline at the end', H + 'k = v'), ('NUL in a value', H + 'k = a\x00b\n'), ('NUL at the ends', H + 'k = \x00a\x00\n'),
    ('UTF-8', H + 'k = \xe5\xaf\x86\xe7\xa0\x81 \xc2\xa0\n'), ('GBK', '# \xd6\xd0\xce\xc4\n[S]\nk = \xc3\xdc\xc2\xeb\n'),
    ('Latin-1 no-break space', H + 'k = \xa0v\xa0\n'), ('NEL and separators', H + 'k = \x85a\x1c\n\x1cl = b\n'),
    ('control characters', H + 'k = \x01\x1a\x7f\x1b[0m\n'), ('BOM', '\xef\xbb\xbf[S]\nk = v\n'), ('BOM in the middle', H + '\xef\xbb\xbfk = v\n'),
    ('UTF-16', '\xff\xfe[\x00S\x00]\x00\n\x00'), ('bad lines and a missing header', 'x\n[S]\nbad\n'), ('two bad lines', H + 'bad\nk = 1\nworse\n'),
]

def characters(text):
    return text.decode('latin-1')

def read(text):
    parser = ConfigParser.RawConfigParser()
    try:
        parser.readfp(StringIO.StringIO(text))
    except ConfigParser.MissingSectionHeaderError as e:
        return {'missing_header': e.lineno}
    except ConfigParser.ParsingError as e:
        return {'bad_lines': [line for line, _ in e.errors]}
    return {'sections': dict(
        (characters(s), dict((characters(k), characters(v)) for k, v in parser.items(s))) for s in parser.sections())}

def serve():
    while True:
        length = sys.stdin.read(4)
        if len(length) < 4:
            return
        text = sys.stdin.read(struct.unpack('>I', length)[0])
        sys.stdout.write(json.dumps(read(text)) + '\n')
        sys.stdout.flush()

def record():
    cases = [dict(read(text), name=name, text=characters(text)) for name, text in files]
    with open('syntax.json', 'w') as out:
        out.write('[\n' + ',\n'.join(json.dumps(c, sort_keys=True) for c in cases) + '\n]\n')
    print len(cases)

if sys.argv[1:] == ['serve']:
    serve()
else:
    record()
