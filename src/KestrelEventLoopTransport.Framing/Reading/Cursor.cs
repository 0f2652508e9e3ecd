namespace KestrelEventLoopTransport.Framing.Reading;

/// <summary>
/// A <see cref="SequencePosition"/> that can be moved in place. Most frames start and end in the same segment, so the
/// object is seldom written: each such write costs a write barrier of the garbage collector.
/// </summary>
internal struct Cursor(SequencePosition position)
{
    private object? _object = position.GetObject();

    internal int Index { get; private set; } = position.GetInteger();

    internal readonly SequencePosition Position => new(_object, Index);

    internal readonly SequencePosition At(int offset) => new(_object, Index + offset);

    internal readonly bool IsIn(object segment) => ReferenceEquals(_object, segment);

    internal void MoveTo(in Cursor origin, int offset)
    {
        if (!ReferenceEquals(_object, origin._object))
        {
            _object = origin._object;
        }

        Index = origin.Index + offset;
    }
}
