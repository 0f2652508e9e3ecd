using System.Buffers;
using System.Buffers.Text;
using System.Net;
using System.Text;
using KestrelEventLoopTransport.Framing;

namespace RedisLite;

/// <summary>Answers each command. Answers to pipelined ones leave together.</summary>
internal sealed class RedisHandler(KeyStore store, IHostApplicationLifetime host) : FrameHandler
{
    protected override ValueTask OnConnectedAsync(FrameConnection connection)
    {
        connection.Context = new Reply();
        return default;
    }

    protected override ValueTask OnFrameAsync(FrameConnection connection, ReadOnlySequence<byte> frame)
    {
        var reply = (Reply)connection.Context!;
        var command = new Command(frame.IsSingleSegment ? frame.FirstSpan : frame.ToArray());
        if (command.TryRead(out var name))
        {
            Answer(connection, name, command, reply);
            connection.WriteEncoded(reply.Written);
            reply.Clear();
        }

        return default;
    }

    protected override ValueTask OnInvalidFrameAsync(FrameConnection connection, FrameException exception)
    {
        if (exception.Error != FrameError.Truncated)
        {
            var what = exception.Error == FrameError.TooLong ? "too big request" : exception.Message;
            connection.WriteEncoded(Encoding.ASCII.GetBytes($"-ERR Protocol error: {what}\r\n"));
        }

        return default;
    }

    private static bool Is(ReadOnlySpan<byte> word, ReadOnlySpan<byte> upperCase)
        => Ascii.EqualsIgnoreCase(word, upperCase);

    // Only an administrator on this machine may stop the server.
    private static bool IsLocal(FrameConnection connection)
        => connection.RemoteEndPoint is IPEndPoint { Address: var address } && IPAddress.IsLoopback(address);

    private void Answer(FrameConnection connection, ReadOnlySpan<byte> name, Command command, Reply reply)
    {
        if (Is(name, "GET"u8))
        {
            Get(command, reply);
        }
        else if (Is(name, "SET"u8))
        {
            Set(command, reply);
        }
        else if (Is(name, "INCR"u8))
        {
            Increment(command, reply);
        }
        else if (Is(name, "DEL"u8))
        {
            Delete(command, reply);
        }
        else if (Is(name, "PING"u8))
        {
            Ping(command, reply);
        }
        else if (Is(name, "ECHO"u8))
        {
            Echo(command, reply);
        }
        else if (Is(name, "QUIT"u8))
        {
            reply.Ok();
            connection.Close();
        }
        else if (Is(name, "SHUTDOWN"u8) && IsLocal(connection))
        {
            host.StopApplication();
        }
        else
        {
            reply.UnknownCommand(name);
        }
    }

    private void Get(Command command, Reply reply)
    {
        if (!command.TryRead(out var key) || command.TryRead(out _))
        {
            reply.WrongNumberOfArguments("get"u8);
        }
        else if (store.Get(key) is { } value)
        {
            reply.String(value);
        }
        else
        {
            reply.Null();
        }
    }

    private void Set(Command command, Reply reply)
    {
        if (!command.TryRead(out var key) || !command.TryRead(out var value))
        {
            reply.WrongNumberOfArguments("set"u8);
            return;
        }

        long? lifetime = null;
        if (command.TryRead(out var option))
        {
            var unit = Is(option, "EX"u8) ? 1000 : Is(option, "PX"u8) ? 1 : 0;
            if (unit == 0 || !command.TryRead(out var text) || command.TryRead(out _))
            {
                reply.Error("ERR syntax error"u8);
                return;
            }

            if (!Utf8Parser.TryParse(text, out long number, out var read) || read != text.Length)
            {
                reply.Error("ERR value is not an integer or out of range"u8);
                return;
            }

            if (number < 1 || number > long.MaxValue / 2 / unit)
            {
                reply.Error("ERR invalid expire time in 'set' command"u8);
                return;
            }

            lifetime = number * unit;
        }

        store.Set(key, value, lifetime);
        reply.Ok();
    }

    private void Increment(Command command, Reply reply)
    {
        if (!command.TryRead(out var key) || command.TryRead(out _))
        {
            reply.WrongNumberOfArguments("incr"u8);
        }
        else if (store.TryIncrement(key, out var number))
        {
            reply.Integer(number);
        }
        else
        {
            reply.Error("ERR value is not an integer or out of range"u8);
        }
    }

    private void Delete(Command command, Reply reply)
    {
        if (!command.TryRead(out var key))
        {
            reply.WrongNumberOfArguments("del"u8);
            return;
        }

        var deleted = 0;
        do
        {
            deleted += store.Delete(key) ? 1 : 0;
        }
        while (command.TryRead(out key));
        reply.Integer(deleted);
    }

    private static void Ping(Command command, Reply reply)
    {
        if (!command.TryRead(out var message))
        {
            reply.Pong();
        }
        else if (command.TryRead(out _))
        {
            reply.WrongNumberOfArguments("ping"u8);
        }
        else
        {
            reply.String(message);
        }
    }

    private static void Echo(Command command, Reply reply)
    {
        if (!command.TryRead(out var message) || command.TryRead(out _))
        {
            reply.WrongNumberOfArguments("echo"u8);
        }
        else
        {
            reply.String(message);
        }
    }
}
