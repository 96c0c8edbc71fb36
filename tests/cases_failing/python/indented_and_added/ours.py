def load(path, read, parse, check, lock):
    data = read(path)
    check(data)
    return parse(data)
