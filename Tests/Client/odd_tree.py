"""Makes trees as odd as Linux allows: always the same fixed cases, and more of them from a seed.

Everything is made relative to an open folder, so that neither the length of a path nor the place of
the tree matters. `remove` takes it away again, whatever the modes are.
"""

import os
import random
import stat

# Scalars for made names: what folds, decomposes, sorts or prints in a special way. Nothing newer
# than Unicode 14, which Python 3.11 knows.
LETTERS = "abcdenozABCDENOZ" "áéíóúüñçàâÁÉÍÓÚÜÑÇ" "ßẞİıſΣςσΩΩKÅåøØœǅǆﬁ가각漢اйИ"
MARKS = "\u0301\u0303\u0308\u0327\u0323\u0345\ufe0f\u20dd"
SIGNS = " !#$%&'()+,-.;=@[]^_`{}~" "½Ⅷ३€«»👩👍🏽\u200d\u200b\u202e\u2028\u00a0\ufeff\ufffd\ue000"
DIGITS = "0123456789"
CONTROLS = "\x01\t\n\x0b\r\x1b\x7f\x85"
BROKEN = [b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf0\x80\x80\x80",
          b"\xf4\x90\x80\x80", b"\xf0\x9f\x91", b"\x80", b"\xc3\xff"]

PLAIN = """
    a2 a10 a02 a002 a2b A2 á2 a1 a a_ a-b a.b 2 10 002 0 00 9a _x ~x
    n N ñ Ñ nz ñz o O oz nino niño Niño NIÑO niña Camión camion CAMION CAMIÓN camión.pdf
    Straße STRASSE strasse STRAẞE ſeñor señor İstanbul istanbul ıstanbul ΣΊΣΥΦΟΣ σίσυφος
    Résumé resume résume resumé RESUME élan elan Élan coté côte cote côté
    ﬁn fin Åse åse ǆ ǅ 가나 각 漢字 👍 👍🏽 👩‍👩‍👧 x½ xⅧ x३ x²
""".split()
MARKED = ["nin\u0303o", "Camio\u0301n.pdf", "cafe\u0301", "e\u0301\u0323x", "e\u0323\u0301y",
          "n\u0323\u0303", "n\u0303\u0323", "1\u03012", "a\u20dd", "o\u0303\u0303"]
TROUBLE = [
    b"con espacio", b" delante", b"detras ", b"nueva\nlinea", b"retorno\rcarro", b"tab\tulador",
    b'comillas"dobles"', b"comilla'simple", b"barra\\invertida", b"\\", b"*", b"a*b", b"a?b", b"[x]",
    b"&amp;", b"<b>negrita<b>", b"<script>alert(1)<", b'"><img src=x onerror=alert(1)>', b"%41",
    b"%2e%2e", b"a+b", b"a b", b"a&b=c", b"a#b", b"a;b", b"a|b", b"ext:pdf", b"\x01\x02\x1f", b"\x7f",
    b"\x1b[31mrojo", b"-", b"-rf", b"--", b"~", b"...x".lstrip(b"."), b"x" * 255,
    "ñ".encode() * 127 + b"x", "👍".encode() * 63 + b"abc", b"9" * 255, b"0" * 254 + b"1",
    "a\u2028b\u2029c".encode(), "a\u202eb".encode(), "\ufeffbom".encode(), "\u0301marca".encode(),
    "a\u00a0b".encode(), "\u3000".encode(), "x\u0085y".encode(), "\ufffd".encode(),
    "\U0010ffff".encode(), b"null", b"true", b"con.", b"nombre.",
]
MOMENTS = {  # Name: nanoseconds since 1970.
    b"epoca": 0, b"antes": -1, b"milesima": 999_999, b"casi": 1_700_000_000_999_999_999,
    b"negativa": -1_500_000_001, b"1901": -2_147_483_648 * 10**9, b"2038": 2_147_483_648 * 10**9,
    b"2446": 15_032_385_535 * 10**9 + 999_999_999, b"bisiesto": 951_782_400 * 10**9 + 1_000_000,
    b"hoy": 1_763_981_467_125_999_999,
}


class Folder:
    """An open folder to make things in; closes itself as a context."""

    def __init__(self, handle):
        self.handle = handle

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.handle)

    def folder(self, name, mode=0o755):
        os.mkdir(name, mode, dir_fd=self.handle)
        return Folder(os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.handle))

    def file(self, name, content=b"", size=None, modified=None):
        handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=self.handle)
        os.write(handle, content)
        if size is not None:
            os.truncate(handle, size)
        os.close(handle)
        if modified is not None:
            os.utime(name, ns=(modified, modified), dir_fd=self.handle)

    def link(self, name, target):
        os.symlink(target, name, dir_fd=self.handle)

    def special(self, name, kind):
        os.mknod(name, kind | 0o600, dir_fd=self.handle)

    def has(self, name):
        return os.path.lexists(b"/proc/self/fd/%d/%s" % (self.handle, name))

    def close_to(self, mode):
        """Sets this folder's own mode, when all is made in it."""
        os.fchmod(self.handle, mode)


def build(root, seed):
    """Fills the empty folder `root`: the fixed cases, then ones from `seed`."""
    chance = random.Random(f"tree {seed}")
    with Folder(os.open(root, os.O_RDONLY | os.O_DIRECTORY)) as top:
        _contract(top, os.path.basename(os.fsencode(root).rstrip(b"/")))
        _names(top, chance)
        _links(top)
        _modes(top)
        _depths(top)
        _values(top)
        _hidden(top)
        with top.folder(b"azar") as folder:
            _random(folder, chance, depth=4, room=[260])
        top.file(b"raiz.txt", b"en la raiz")
        top.file("raíz ñ <&\">.txt".encode())


def _contract(top, root_name):
    """Small and fixed: what the rows of test_contract ask for."""
    with top.folder(b"contrato") as here:
        with here.folder(b"a") as a:
            a.file(b"dentro.txt", b"12345")
            with a.folder(b"b") as b:
                b.file(b"c.txt", b"c")
        here.file(b"archivo.txt", b"hola\n", modified=1_763_981_467_125_999_999)
        for name in [b"a b", b"a+b", b"%41", b"A", b"%2e%2e", "Camión.pdf".encode(), b"camion.txt",
                     "niño.txt".encode(), b"nino.txt", b"mal\xff.txt", "Straße.txt".encode()]:
            here.file(name, name)
        with here.folder(b"carpeta\xfe") as bad:
            bad.file(b"x.txt")
            with bad.folder(b"sub\xc3") as sub:
                sub.file(b"y.txt")
        here.special(b"tuberia", stat.S_IFIFO)
        here.link(b"enlace_archivo", b"archivo.txt")
        here.link(b"enlace_carpeta", b"a")
        here.link(b"enlace_tuberia", b"tuberia")
        here.link(b"colgado", b"no/hay")
        here.link(b"bucle", b"bucle")
        here.link(b"absoluto", b"/contrato/a")
        here.link(b"fuera", b"../../../../../../../../etc")
        here.link(b"vuelve", b"../../" + root_name + b"/contrato/a")
        here.link(b"destino_malo", b"mal\xff.txt")
        with here.folder(b".oculta") as hidden:
            hidden.file(b"dentro.txt")
        here.file(b".oculto.txt")
        with here.folder(b"vacia"):
            pass
        with here.folder(b"cien") as many:
            for number in range(100):
                many.file(b"f%d.txt" % number, b"x" * number)
            many.file("Ñandú 7.txt".encode())
            with many.folder(b"zz sub"):
                pass


def _names(top, chance):
    with top.folder(b"nombres") as here:
        for name in TROUBLE:
            here.file(name, name[:7])
        for number, part in enumerate(BROKEN):
            here.file(b"%d roto %s fin" % (number, part))
            here.file(part + b"%d" % number)
        with here.folder(b"carpeta \xe2\x82 rota") as bad:
            bad.file("dentro ñ".encode())
            bad.link(b"enlace", b"dentro \xc3")
            with bad.folder("más".encode()) as more:
                more.file(b"hondo\xff")
    with top.folder(b"orden") as here:
        for name in PLAIN + MARKED:
            if not here.has(name.encode()):
                here.file(name.encode())
        for number in range(6):
            with here.folder(b"carpeta %d" % (number * 3)):
                pass
    with top.folder("gemelos ñ".encode()) as here:  # NFC and NFD: two files, two folders.
        for composed, apart in [("\u00e9", "e\u0301"), ("\u00f1", "n\u0303"),
                                ("\uac01", "\u1100\u1161\u11a8"), ("\u00c5", "A\u030a")]:
            here.file(composed.encode() + b".txt", b"nfc")
            here.file(apart.encode() + b".txt", b"nfd!")
        for name in ["secci\u00f3n", "seccio\u0301n"]:
            with here.folder(name.encode()) as inner:
                inner.file(name.encode() + b" dentro")
    with top.folder(b"mezcla") as here:
        made = set()
        while len(made) < 150:
            name = random_name(chance)
            if name not in made and not name.startswith(b"."):
                made.add(name)
                here.file(name, b"x" * chance.randrange(9))


def _links(top):
    with top.folder(b"enlaces") as here:
        with here.folder(b"real") as real:
            real.file(b"uno", b"1")
            real.link(b"arriba", b"..")
            real.link(b"raiz", b"../..")
            real.link(b"demasiado", b"../../..")
            with real.folder(b"dos") as two:
                two.link(b"uno", b"../uno")
                two.file(b"tres")
        for name, target in {
            b"carpeta": b"real", b"barra": b"real/", b"punto": b"./real/.", b"archivo": b"real/uno",
            b"lejos": b"real/dos/uno", b"cadena1": b"cadena2", b"cadena2": b"cadena3",
            b"cadena3": b"real", b"atraviesa": b"carpeta/dos", b"colgado": b"nada",
            b"colgado hondo": b"real/nada/mas", b"bucle a": b"bucle b", b"bucle b": b"bucle a",
            b"bucle dentro": b"bucle dentro/x", b"absoluto": b"/etc", b"absoluto raiz": b"/",
            b"etc": b"../../../../../../../../../../etc/passwd", b"yo": b".", b"padre": b"..",
            b"proc": b"/proc/self/root", b"dentro y fuera": b"real/../../../x",
            b"roto\xff": b"real/\xfe\xc3", b"linea\n": b"li\nnea", b"largo": b"x/" * 1000 + b"y",
            "ñ".encode(): "niño".encode(), b"cerrada": b"../permisos/cerrada",
            b"en cerrada": b"../permisos/cerrada/secreto", b"tubo": b"../especiales/tubo",
            b"..punto": b"real",
        }.items():
            here.link(name, target)


def _modes(top):
    """r lists, x passes; a service that keeps no capability is refused like anybody else."""
    with top.folder(b"permisos") as here:
        for name, mode in [(b"cerrada", 0o000), (b"solo paso", 0o300), (b"solo lista", 0o400),
                           (b"abierta", 0o700)]:
            with here.folder(name) as inner:
                inner.file(b"secreto", b"12")
                inner.link(b"enlace", b"secreto")
                with inner.folder(b"sub") as sub:
                    sub.file(b"secreto hondo")
                inner.close_to(mode)
        here.file(b"archivo cerrado", b"xyz")
        os.chmod(b"archivo cerrado", 0o000, dir_fd=here.handle)
        with here.folder(b".oculta cerrada") as inner:
            inner.close_to(0o000)


def _depths(top):
    with top.folder(b"hondo") as here:
        handles, inner = [], here
        for level in range(120):
            inner = inner.folder(b"n%d" % level)
            inner.file(b"fondo%d" % level)
            handles.append(inner)
        for one in handles:
            os.close(one.handle)
    # A folder whose `ruta` is 4,095 bytes, slash in front included: as long as a ruta may be.
    with top.folder(LONG_PARTS[0]) as inner:
        handles = []
        for part in LONG_PARTS[1:]:
            inner = inner.folder(part)
            handles.append(inner)
        for one in handles:
            os.close(one.handle)
    with top.folder(b"vacia"):
        pass


LONG_PARTS = [b"largo " + b"l" * 249] + [b"%02d" % n + b"m" * 253 for n in range(14)] + [b"n" * 254]
LONG_RUTA = b"/" + b"/".join(LONG_PARTS)


def _values(top):
    with top.folder(b"tiempos") as here:
        for name, moment in MOMENTS.items():
            here.file(name, modified=moment)
        here.link(b"enlace", b"epoca")
        os.utime(b"enlace", ns=(1, 1_000_000_007_999_999_999), dir_fd=here.handle,
                 follow_symlinks=False)
        with here.folder(b"carpeta vieja"):
            pass
        os.utime(b"carpeta vieja", ns=(0, 86_400 * 10**9), dir_fd=here.handle)
    with top.folder("tamaños".encode()) as here:
        for size in [0, 1, 4096, 2**31, 2**32 + 1, 5 * 2**40]:
            here.file(b"%d" % size, size=size)
        os.link(b"1", b"uno otra vez", src_dir_fd=here.handle, dst_dir_fd=here.handle)
    with top.folder(b"especiales") as here:
        here.special(b"tubo", stat.S_IFIFO)
        here.special(b"enchufe", stat.S_IFSOCK)


def _hidden(top):
    top.file(b".oculto raiz")
    with top.folder(b".git") as here:
        here.file(b"config")
        with here.folder(b"objects") as inner:
            inner.file(b"visible de oculto")
    with top.folder(b"visible") as here:
        here.file(b"a la vista")
        here.file(b"...")
        here.file(b"..x")
        here.link(b".enlace", b"a la vista")
        with here.folder(b".dentro") as inner:
            inner.file(b"a la vista tampoco")
            with inner.folder(b"sub") as sub:
                sub.file(b".doble")


def _random(folder, chance, depth, room):
    """Folders in folders with random entries, `room[0]` of them at most."""
    for _ in range(chance.randrange(4, 16)):
        name, kind = random_name(chance), chance.random()
        if room[0] <= 0 or folder.has(name):
            continue
        room[0] -= 1
        if kind < 0.30 and depth > 0:
            with folder.folder(name) as inner:
                _random(inner, chance, depth - 1, room)
        elif kind < 0.42:
            folder.link(name, chance.choice([b"..", b"../..", b".", b"nada", b"/", name[:20]]))
        elif kind < 0.46:
            folder.special(name, stat.S_IFIFO)
        else:
            folder.file(name, b"y" * chance.randrange(2000), modified=chance.randrange(
                -2**31 * 10**9, 2**33 * 10**9))


def random_name(chance):
    """A name of 1 to 255 bytes: words, digits, signs, sometimes marks, controls or broken bytes."""
    name = b""
    for _ in range(chance.choice([1, 1, 2, 3, 4, 6, 9])):
        kind = chance.random()
        if kind < 0.25:
            part = chance.choice(PLAIN + MARKED)
        elif kind < 0.55:
            part = "".join(chance.choice(LETTERS) for _ in range(chance.randrange(1, 5)))
            if chance.random() < 0.3:
                part += chance.choice(MARKS)
        elif kind < 0.75:
            part = chance.choice(["", "0", "00"]) + str(chance.randrange(10**chance.choice([1, 2, 20])))
        elif kind < 0.93:
            part = chance.choice(SIGNS)
        elif kind < 0.97:
            part = chance.choice(CONTROLS)
        else:
            name += chance.choice(BROKEN)
            continue
        name += part.encode()
    name = name[:255]
    return name if name not in (b"", b".", b"..") else b"otro"


def remove(root):
    """Empties `root`, whatever its depth and modes."""
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _empty(handle)
    finally:
        os.close(handle)


def _empty(handle):
    for item in list(os.scandir(handle)):
        name = os.fsencode(item.name)
        if not item.is_dir(follow_symlinks=False):
            os.unlink(name, dir_fd=handle)
            continue
        os.chmod(name, 0o700, dir_fd=handle)
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
        try:
            _empty(inner)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=handle)
