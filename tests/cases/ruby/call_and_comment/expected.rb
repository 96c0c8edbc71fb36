class Cart
  def total
    items.compact.sum(&:gross) # with tax
  end
end
