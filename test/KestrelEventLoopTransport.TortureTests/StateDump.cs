using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Text;

namespace KestrelEventLoopTransport.TortureTests;

/// <summary>
/// Writes the fields of the transport's objects: its group, loops, supervisor, standby threads, acceptors, connections.
/// For a hang, when nothing else can be asked any more.
/// </summary>
internal sealed class StateDump
{
    private const int MaxDepth = 30;

    private readonly StringBuilder _text = new();
    private readonly HashSet<object> _seen = new(ReferenceEqualityComparer.Instance);

    private StateDump()
    {
    }

    public static string Of(object root)
    {
        var dump = new StateDump();
        dump.Write(root.GetType().Name, root, 0);
        return dump._text.ToString();
    }

    private void Write(string name, object? value, int depth)
    {
        switch (value)
        {
            case null:
                return;
            case int word when name is "_word" or "_state":
                Line(depth, $"{name} = 0x{word:X} ({word})");
                return;
            case byte[]:
                return;
            case IConvertible or TimeSpan:
                Line(depth, $"{name} = {Convert.ToString(value, CultureInfo.InvariantCulture)}");
                return;
            case IEnumerable elements when value is Array || !IsOwn(value.GetType()):
                WriteElements(name, elements, depth);
                return;
            default:
                WriteObject(name, value, depth);
                return;
        }
    }

    private void WriteElements(string name, IEnumerable elements, int depth)
    {
        try
        {
            var all = elements.Cast<object?>().ToList();
            Line(depth, $"{name}: {all.Count} elements");
            for (var i = 0; i < all.Count && depth < MaxDepth; i++)
            {
                if (all[i] is { } element && !(element is ValueType && element is IConvertible))
                {
                    Write($"[{i}]", element, depth + 1);
                }
            }
        }
        catch (InvalidOperationException)
        {
            Line(depth, $"{name}: changes");
        }
    }

    private void WriteObject(string name, object value, int depth)
    {
        var type = value.GetType();
        var isOwn = IsOwn(type)
            || type.Name.StartsWith("ManualResetValueTaskSourceCore", StringComparison.Ordinal)
            || type.Name.StartsWith("ValueTuple", StringComparison.Ordinal)
            || type.Name.StartsWith("KeyValuePair", StringComparison.Ordinal);
        if (!isOwn)
        {
            return;
        }

        if (!type.IsValueType && !_seen.Add(value))
        {
            Line(depth, $"{name} = {type.Name} (above)");
            return;
        }

        var fields = type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic);
        if (type.Name == "Slot" && fields.Any(f => f.Name == "Pollable" && f.GetValue(value) is null))
        {
            return;
        }

        Line(depth, $"{name} = {type.Name}");
        if (depth >= MaxDepth || type.Name is "BufferSegment" or "SegmentCache" or "SocketAddressBytes")
        {
            return;
        }

        foreach (var field in fields)
        {
            if (!field.FieldType.IsPointer && !field.FieldType.IsByRefLike)
            {
                Write(field.Name, field.GetValue(value), depth + 1);
            }
        }
    }

    private static bool IsOwn(Type type)
        => type.Assembly == typeof(EventLoopTransportFactory).Assembly;

    private void Line(int depth, string text) => _text.Append(' ', depth * 2).AppendLine(text);
}
