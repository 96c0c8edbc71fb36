class Cart
  def total
    items.sum(&:gross) # with tax
  end
end
