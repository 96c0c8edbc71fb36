std::vector<int> lengths(const std::vector<std::string>& words);

int widest(std::vector<int> sizes);
