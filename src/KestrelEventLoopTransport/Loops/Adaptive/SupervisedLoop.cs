namespace KestrelEventLoopTransport.Loops.Adaptive;

/// <summary>A loop and the thread that runs it. The supervisor hands it to other threads.</summary>
internal sealed class SupervisedLoop
{
    private LoopThread? _owner;

    /// <param name="loop">The loop.</param>
    /// <param name="owner">A parked thread. <see cref="Start"/> lets it run the loop.</param>
    internal SupervisedLoop(EventLoop loop, LoopThread owner)
    {
        Loop = loop;
        _owner = owner;
    }

    internal EventLoop Loop { get; }

    /// <summary>
    /// The thread that runs the loop. Null when the loop has ended: its thread may soon run another one.
    /// </summary>
    internal LoopThread? Owner => Loop.HasEnded ? null : _owner;

    /// <summary>Lets the first owner run the loop.</summary>
    internal void Start() => _owner!.Assign(Loop);

    /// <summary>Lets a thread run the loop. The owner before must have lost it.</summary>
    internal void GiveTo(LoopThread thread)
    {
        _owner = thread;
        thread.Assign(Loop);
    }

    /// <summary>Ends the stopping loop. The owner must have lost it.</summary>
    internal void EndWithoutOwner()
    {
        _owner = null;
        Loop.EndWithoutOwner();
    }
}
