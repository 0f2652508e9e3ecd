namespace KestrelEventLoopTransport.Framing;

// When bytes were read, for the time-outs of a FrameConnection.
public sealed partial class FrameReader
{
    private TimeProvider? _clock;
    private bool _notesWaits;
    private long _lastRead;
    private long _waitsSince;

    /// <summary>The timestamp of the last read that returned, at first that of <see cref="NoteTimes"/>.</summary>
    internal long LastRead => Volatile.Read(ref _lastRead);

    /// <summary>
    /// The timestamp at which the read began that is pending; 0 if none is, or if waits are not noted.
    /// </summary>
    internal long WaitsSince => Volatile.Read(ref _waitsSince);

    /// <summary>Notes from now on when bytes are read.</summary>
    /// <param name="clock">The clock.</param>
    /// <param name="notesWaits">Whether to note as well since when a read is pending.</param>
    internal void NoteTimes(TimeProvider clock, bool notesWaits)
    {
        _clock = clock;
        _notesWaits = notesWaits;
        _lastRead = clock.GetTimestamp();
    }

    private void NoteWait()
    {
        if (_notesWaits)
        {
            Volatile.Write(ref _waitsSince, Math.Max(1, _clock!.GetTimestamp()));
        }
    }

    private void NoteRead()
    {
        if (_clock is not null)
        {
            Volatile.Write(ref _lastRead, _clock.GetTimestamp());
            Volatile.Write(ref _waitsSince, 0);
        }
    }
}
