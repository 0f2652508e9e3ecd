using System.Diagnostics.CodeAnalysis;

namespace KestrelEventLoopTransport.Loops;

/// <summary>
/// Decides where the application callbacks of a loop run: on the loop's thread or on the thread pool. The rule: on the
/// loop's thread only as <see cref="ApplicationScheduling"/> allows, on every other thread always.
/// </summary>
/// <remarks>
/// With <see cref="ApplicationScheduling.Adaptive"/> the answer changes with the number of standby threads, also
/// between the posting of a callback and its run. So a callback that comes to run on a loop asks again (<see
/// cref="TryMoveToPool"/>), and a loop takes back callbacks that went to the pool when standby threads were short (<see
/// cref="TryTakeBack"/>).
/// </remarks>
/// <param name="scheduling">Where callbacks run.</param>
/// <param name="supervisor">Knows whether standby threads suffice.</param>
/// <param name="work">The loop's work.</param>
/// <param name="pool">The loop's callbacks for the thread pool.</param>
/// <param name="loan">Knows whether a thread of the pool runs the loop.</param>
internal sealed class CallbackScheduler(
    ApplicationScheduling scheduling, ILoopSupervisor supervisor, WorkQueue work, PoolDispatch pool, LoopLoan loan)
{
    /// <summary>Whether the loop goes to another thread when a callback does not return.</summary>
    internal bool HandsOff => scheduling == ApplicationScheduling.Adaptive;

    /// <summary>Whether callbacks may run on the loop's thread now.</summary>
    internal bool RunOnLoop => RunOnLoopAtHome && !loan.IsLent;

    /// <summary>Whether callbacks may run on the loop's thread when the loop is not lent.</summary>
    internal bool RunOnLoopAtHome => scheduling switch
    {
        ApplicationScheduling.Inline => true,
        ApplicationScheduling.Adaptive => supervisor.CanHandOffAll,
        _ => false,
    };

    /// <summary>Whether callbacks wait for the thread pool that the loop may take back.</summary>
    internal bool HasPooled => HandsOff && !pool.IsEmpty && !loan.IsLent;

    /// <summary>Whether the calling thread may run a callback now.</summary>
    internal bool MayRunHere => RunOnLoop || !work.IsCurrent;

    /// <summary>Runs a callback, on the calling thread if that is allowed, else on the thread pool.</summary>
    internal void Run(IThreadPoolWorkItem callback)
    {
        if (!TryMoveToPool(callback))
        {
            callback.Execute();
        }
    }

    /// <summary>
    /// Runs a callback on the thread pool. Those that a loop posts between two polls go there together.
    /// </summary>
    internal void Post(IThreadPoolWorkItem callback)
    {
        pool.Enqueue(callback);
        if (HandsOff)
        {
            // While callbacks wait, the supervisor lets the loop take them back when it can.
            supervisor.EnsureAwake();
        }

        if (!work.IsCurrent)
        {
            pool.Schedule();
        }
    }

    /// <summary>
    /// Whether the calling thread, which has been at work for a target for a while, has to leave the rest to
    /// <see cref="Yield"/>: if it is inside a callback of the target, and such a callback may keep a loop.
    /// </summary>
    internal bool MustYield(IDispatchTarget target) => RunOnLoop && CallbackPlace.Of(target).IsInside;

    /// <summary>
    /// Runs the rest of a callback later, so that others get their turn: as work of the loop. With
    /// <see cref="ApplicationScheduling.Inline"/> it runs on the thread pool. Application code that waits synchronously
    /// for the rest would keep the loop for ever.
    /// </summary>
    internal void Yield(IThreadPoolWorkItem rest)
    {
        if (scheduling == ApplicationScheduling.Inline)
        {
            pool.Enqueue(rest);
            pool.Schedule();
        }
        else
        {
            work.Post(rest);
        }
    }

    /// <summary>
    /// For a callback that is about to run: posts it to the pool instead if the calling thread may not run it.
    /// </summary>
    internal bool TryMoveToPool(IThreadPoolWorkItem callback)
    {
        if (MayRunHere)
        {
            return false;
        }

        Post(callback);
        return true;
    }

    /// <summary>Takes a callback that waits for the pool, if the loop's thread may run it now.</summary>
    internal bool TryTakeBack([NotNullWhen(true)] out IThreadPoolWorkItem? callback)
    {
        callback = null;
        return HandsOff && RunOnLoop && pool.TryDequeue(out callback);
    }

    /// <summary>
    /// Called by the supervisor at every look. When standby threads are back, the loop runs what went to the pool for
    /// want of them. Handlers that block the pool's few threads would keep it waiting.
    /// </summary>
    internal void OfferBack()
    {
        if (HasPooled && RunOnLoop)
        {
            work.WakeLoop();
        }
    }

    /// <summary>
    /// Runs what waits for the thread pool on the calling thread, which is one of the pool and does not run the loop
    /// any more.
    /// </summary>
    /// <param name="sharesRest">Whether other threads of the pool get the rest: they have nothing to do.</param>
    internal void RunPooled(bool sharesRest) => pool.RunHere(sharesRest);

    /// <summary>The thread that runs the loop has done what there was to do.</summary>
    internal void Flush() => pool.Schedule();
}
